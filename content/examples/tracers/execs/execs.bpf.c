// Counts how often the children of a watched process start a program.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

// region map
// Whoever is watched has an entry; user space makes it and nobody else does.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32); // the parent's process id
	__type(value, __u64);
} counts SEC(".maps");
// endregion map

// region program
SEC("tracepoint/sched/sched_process_exec")
int on_exec(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 parent = BPF_CORE_READ(task, real_parent, tgid);
	__u64 *count = bpf_map_lookup_elem(&counts, &parent);

	if (!count)
		return 0;
	__sync_fetch_and_add(count, 1);
	return 0;
}
// endregion program
