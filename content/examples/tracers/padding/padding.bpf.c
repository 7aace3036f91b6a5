// A map key with a hole in it: the four bytes behind `pid` are nobody's.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

// region key
struct process {
	__u32 pid;
	__u64 cgroup;
};
// endregion key

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct process);
	__type(value, __u64);
} counts SEC(".maps");

SEC("tracepoint/sched/sched_process_exec")
int with_a_hole(void *ctx)
{
	struct process key;
	__u64 one = 1;

	key.pid = bpf_get_current_pid_tgid() >> 32;
	key.cgroup = bpf_get_current_cgroup_id();
	bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int zeroed(void *ctx)
{
	struct process key;
	__u64 one = 1;

	__builtin_memset(&key, 0, sizeof(key));
	key.pid = bpf_get_current_pid_tgid() >> 32;
	key.cgroup = bpf_get_current_cgroup_id();
	bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	return 0;
}
