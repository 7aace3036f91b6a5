#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "event.h"

/* Many helpers are for GPL programs only; without this line the verifier refuses them. */
char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/*
 * Called whenever a socket is about to change its state. ctx->oldstate and ctx->newstate are TCP_ESTABLISHED
 * and so on, ctx->skaddr is the socket; the ports are in host order.
 */
SEC("tp/sock/inet_sock_set_state")
int set_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	/* TODO: bpf_ringbuf_reserve, fill in, bpf_ringbuf_submit */
	return 0;
}
