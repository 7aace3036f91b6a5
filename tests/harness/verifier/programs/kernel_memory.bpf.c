#include "common.h"

SEC("tp_btf/inet_sock_set_state")
int refused(unsigned long long *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];

	sk->sk_mark = 7; /* here */
	return 0;
}
