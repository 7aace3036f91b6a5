#include "common.h"

SEC("tp/syscalls/sys_enter_write")
int refused(struct trace_event_raw_sys_enter *ctx)
{
	char buffer[64] = {};

	bpf_probe_read_user(buffer, ctx->args[2], (void *)ctx->args[1]); /* here */
	return buffer[0];
}
