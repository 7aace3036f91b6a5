// Programs that a verifier refuses, one mistake each.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct slots {
	__u32 slot[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slots);
} table SEC(".maps");

// region null
SEC("tracepoint/sched/sched_process_exec")
int no_null_check(void *ctx)
{
	__u32 key = 1;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	__sync_fetch_and_add(count, 1);
	return 0;
}
// endregion null

// region index
SEC("tracepoint/sched/sched_process_exec")
int no_bounds_check(void *ctx)
{
	__u32 key = 0;
	struct slots *slots = bpf_map_lookup_elem(&table, &key);

	if (!slots)
		return 0;
	slots->slot[bpf_get_prandom_u32()]++;
	return 0;
}
// endregion index

// region pointer
SEC("kprobe/do_exit")
int kernel_pointer(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return task->pid == 1;
}
// endregion pointer

// region leak
SEC("tracepoint/sched/sched_process_exec")
int never_submitted(void *ctx)
{
	__u64 *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	*event = bpf_ktime_get_ns();
	return 0;
}
// endregion leak

// region loop
SEC("tracepoint/sched/sched_process_exec")
int endless(void *ctx)
{
	__u64 end = bpf_ktime_get_ns() + 1000;

	while (bpf_ktime_get_ns() < end)
		;
	return 0;
}
// endregion loop

// region helper
SEC("socket")
int wrong_type(struct __sk_buff *skb)
{
	return bpf_get_current_pid_tgid() >> 32;
}
// endregion helper

// region context
SEC("tracepoint/sock/inet_sock_set_state")
int through_context(struct trace_event_raw_inet_sock_set_state *ctx)
{
	__u8 address[16];

	__builtin_memcpy(address, ctx->daddr_v6, sizeof(address));
	return address[bpf_get_prandom_u32() & 15];
}
// endregion context
