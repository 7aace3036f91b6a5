// SPDX-License-Identifier: GPL-2.0
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SLOTS 64

/* One entry per remembered process: which slot of the counters is its own, and whether it is counted now. */
struct entry {
	__u32 slot;
	__u32 active;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct entry);
} processes SEC(".maps");

/* Per processor, so that nobody has to be atomic: user space adds the columns up. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

/* The table of system calls has this function as __x64_sys_getppid, an alias; BTF knows it by this name alone. */
SEC("fentry/__do_sys_getppid")
int BPF_PROG(on_getppid)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct entry *entry = bpf_map_lookup_elem(&processes, &tgid);
	__u64 *count;
	__u32 slot;

	if (!entry || !entry->active)
		return 0;
	slot = entry->slot;
	count = bpf_map_lookup_elem(&calls, &slot);
	if (count)
		(*count)++;
	return 0;
}

char _license[] SEC("license") = "GPL";
