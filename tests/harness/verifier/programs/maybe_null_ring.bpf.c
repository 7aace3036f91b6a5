#include "common.h"

SEC("tp/sock/inet_sock_set_state")
int refused(struct trace_event_raw_inet_sock_set_state *ctx)
{
	__u64 *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);

	*event = ctx->newstate; /* here */
	bpf_ringbuf_submit(event, 0);
	return 0;
}
