#include "common.h"

SEC("tp/sock/inet_sock_set_state")
int refused(struct trace_event_raw_inet_sock_set_state *ctx)
{
	__u32 key[2];

	bpf_map_update_elem(&values, &key[1], &key[1], BPF_ANY); /* here */
	return 0;
}
