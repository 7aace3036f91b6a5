#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "lifecycle.h"

char LICENSE[] SEC("license") = "GPL";

/* Who is counted now. The value means nothing: being in the map is what counts. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, __u8);
} watched SEC(".maps");

/* The calls of each process that is or was watched. User space makes the entries, this program only adds. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("kprobe.multi/__x64_sys_getppid")
int count_getppid(void *ctx)
{
	/* the upper half is what user space calls the PID, the lower half is the thread */
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 *count;

	if (!bpf_map_lookup_elem(&watched, &pid))
		return 0;
	count = bpf_map_lookup_elem(&counts, &pid);
	if (!count)
		return 0;
	__sync_fetch_and_add(count, 1);
	return 0;
}
