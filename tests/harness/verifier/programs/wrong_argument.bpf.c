#include "common.h"

SEC("tp/sock/inet_sock_set_state")
int refused(struct trace_event_raw_inet_sock_set_state *ctx)
{
	__u64 key = ctx->newstate;

	return bpf_map_lookup_elem(&values, (void *)key) != 0; /* here */
}
