#include "common.h"

struct sock___imagined {
	int skc_imagined;
} __attribute__((preserve_access_index));

SEC("kprobe/tcp_close")
int refused(struct pt_regs *ctx)
{
	struct sock___imagined *sk = (void *)ctx->di;

	return BPF_CORE_READ(sk, skc_imagined); /* here */
}
