#include "common.h"

SEC("tp/sock/inet_sock_set_state")
int refused(struct trace_event_raw_inet_sock_set_state *ctx)
{
	__u32 key = ctx->newstate;
	struct value *value = bpf_map_lookup_elem(&values, &key);

	value->count++; /* here */
	return 0;
}
