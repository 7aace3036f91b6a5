#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "event.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&lost, &zero);

	if (value)
		__sync_fetch_and_add(value, 1);
}

SEC("tp/sock/inet_sock_set_state")
int states(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct event *event;

	if (ctx->protocol != IPPROTO_TCP)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count_lost();
		return 0;
	}
	event->old_state = ctx->oldstate;
	event->new_state = ctx->newstate;
	event->sport = ctx->sport;
	event->dport = ctx->dport;
	bpf_ringbuf_submit(event, 0);
	return 0;
}
