// Counts the calls of getppid(2) of the processes in a table of 64 slots.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define SLOTS 64

// The system call has one number for 64-bit code and another for 32-bit code, where 110 is iopl(2).
#define NR_GETPPID 110
#define NR_GETPPID_IA32 64
#define TS_COMPAT 0x2 // in thread_info.status: the current system call came in by the 32-bit door

struct table {
	__u32 pids[SLOTS]; // 0: this slot and all after it are free
	__u32 watched[SLOTS];
};

// Each map has one writer, so that neither side overwrites what the other has written. User space fills the slots
// from the first on and never empties one. They are one value and not one each: a key would have to lie on the stack,
// and there the verifier of 6.1 does not follow the counter of the loop.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct table);
} processes SEC(".maps");

// The program counts here, at the index of the slot. User space only reads.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

static __always_inline void count(__u32 slot)
{
	__u64 *count = bpf_map_lookup_elem(&calls, &slot);

	if (count)
		__sync_fetch_and_add(count, 1);
}

// Why here: a raw tracepoint runs with preemption off and is skipped only if this very program is running on this CPU
// already. A kprobe is skipped while any other one runs, fentry while the program is preempted, and the tracepoint
// syscalls:sys_enter_getppid does not see 32-bit code. The price: every system call of the machine comes by.
SEC("tp_btf/sys_enter")
int BPF_PROG(count_getppid, struct pt_regs *regs, long id)
{
	struct task_struct *task;
	struct table *table;
	__u32 key = 0, i;

	if (id != NR_GETPPID && id != NR_GETPPID_IA32)
		return 0;
	task = bpf_get_current_task_btf();
	if (id != (task->thread_info.status & TS_COMPAT ? NR_GETPPID_IA32 : NR_GETPPID))
		return 0;
	table = bpf_map_lookup_elem(&processes, &key);
	if (!table)
		return 0;

	for (i = 0; i < SLOTS; i++) {
		if (!table->pids[i])
			return 0;
		if (table->pids[i] != task->tgid) // what user space calls a PID is the thread group
			continue;
		if (table->watched[i])
			count(i);
		return 0;
	}
	return 0;
}
