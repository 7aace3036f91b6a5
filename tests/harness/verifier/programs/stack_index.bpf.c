#include "common.h"

SEC("tp/sock/inet_sock_set_state")
int refused(struct trace_event_raw_inet_sock_set_state *ctx)
{
	volatile char seen[16] = {};

	seen[(__u32)ctx->newstate] = 1; /* here */
	return seen[0];
}
