// A program that, while it runs, calls what other programs are attached to.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} own SEC(".maps");

volatile const __u32 watched = 0;
__u64 outer_runs = 0, kprobe_runs = 0, fentry_runs = 0;

// region outer
SEC("tracepoint/syscalls/sys_enter_getpgid")
int outer(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 one = 1;

	if (pid != watched)
		return 0;
	outer_runs++;
	bpf_map_update_elem(&own, &pid, &one, BPF_ANY);
	return 0;
}
// endregion outer

// region inner
SEC("kprobe/htab_map_update_elem")
int by_kprobe(void *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == watched)
		kprobe_runs++;
	return 0;
}

SEC("fentry/htab_map_update_elem")
int BPF_PROG(by_fentry)
{
	if (bpf_get_current_pid_tgid() >> 32 == watched)
		fentry_runs++;
	return 0;
}
// endregion inner
