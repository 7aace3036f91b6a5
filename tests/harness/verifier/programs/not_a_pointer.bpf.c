#include "common.h"

SEC("kprobe/tcp_close")
int refused(struct pt_regs *ctx)
{
	struct sock *sk = (struct sock *)ctx->di;

	return sk->__sk_common.skc_dport; /* here */
}
