// Sends every change of a TCP socket's state to user space.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

// region event
struct event {
	__u64 sock;	  // the socket's address in the kernel: its name while it lives
	__u8 local[16];	  // IPv4 as ::ffff:a.b.c.d
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port; // both in host byte order: the tracepoint has converted them
	__u8 from;
	__u8 to;
	__u8 unused[2];
};
// endregion event

// region maps
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");
// endregion maps

enum effort { DO_NOTHING, DO_FILTER, DO_SEND_QUIETLY, DO_SEND };

volatile const enum effort effort = DO_SEND;

enum counter { EVENTS, LOST };

static __always_inline void count(__u32 key)
{
	__u64 *count = bpf_map_lookup_elem(&counters, &key);

	if (count)
		(*count)++; // this CPU's own
}

// region program
SEC("tracepoint/sock/inet_sock_set_state")
int on_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct event *event;

	if (effort == DO_NOTHING || ctx->protocol != IPPROTO_TCP)
		return 0;
	if (effort == DO_FILTER)
		return 0;
	count(EVENTS);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count(LOST);
		return 0;
	}
	event->sock = (__u64)ctx->skaddr;
	// by helper: a pointer into the context may be passed on, but not be read through
	bpf_probe_read_kernel(event->local, sizeof(event->local), ctx->saddr_v6);
	bpf_probe_read_kernel(event->remote, sizeof(event->remote), ctx->daddr_v6);
	event->local_port = ctx->sport;
	event->remote_port = ctx->dport;
	event->from = ctx->oldstate;
	event->to = ctx->newstate;
	__builtin_memset(event->unused, 0, sizeof(event->unused));
	bpf_ringbuf_submit(event, effort == DO_SEND_QUIETLY ? BPF_RB_NO_WAKEUP : 0);
	return 0;
}
// endregion program
