#include "common.h"

SEC("tp/sock/inet_sock_set_state")
int refused(struct trace_event_raw_inet_sock_set_state *ctx)
{
	return bpf_xdp_adjust_head((void *)ctx, 4); /* here */
}
