/*
 * A second way: the trampoline tp_btf hands over the socket itself, and what is remembered of a socket
 * lives in the socket (BPF_MAP_TYPE_SK_STORAGE) and goes with it.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "GPL";

#define AF_INET6 10

/* rows of the table `series` in main.go */
enum {
	COUNT_SYN_SENT = 0,
	COUNT_ESTABLISHED = 1,
	COUNT_ACCEPTED = 2,
	COUNT_REFUSED = 3,
	COUNT_TIMEOUT = 4,
	COUNT_RESET = 5,
	COUNT_LOCAL = 6,
	COUNT_REMOTE = 7,
	COUNT_ABORTED = 8,
};

struct event {
	__u32 count;
	__u16 port;
	__u16 family;
	union {
		__be32 v4;
		__u8 v6[16];
	} ip;
};

const struct event *keep_type __attribute__((unused));

#define CLIENT 1
#define FIN_SENT_FIRST 2
#define FIN_GOT_FIRST 4

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} flags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} counts SEC(".maps");

__u64 lost = 0;

static __always_inline struct event *record(__u32 count, __u16 port)
{
	struct event *event = bpf_ringbuf_reserve(&counts, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return NULL;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->count = count;
	event->port = port;
	return event;
}

static __always_inline void opened(struct sock *sk, __u32 count, bool remote)
{
	const struct sock_common *common = &sk->__sk_common;
	__u16 port = remote ? bpf_ntohs(common->skc_dport) : common->skc_num;
	struct event *event = record(count, port);

	if (!event)
		return;
	event->family = common->skc_family;
	if (event->family == AF_INET6) {
		const struct in6_addr *ip = remote ? &common->skc_v6_daddr : &common->skc_v6_rcv_saddr;

		BPF_CORE_READ_INTO(&event->ip.v6, ip, in6_u.u6_addr8);
	} else {
		event->ip.v4 = remote ? common->skc_daddr : common->skc_rcv_saddr;
	}
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void ended(struct sock *sk, int from, __u32 flag)
{
	/* not skc_num: the port was given back before the state changed */
	__u16 port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	__u32 count = COUNT_ABORTED;
	int error = sk->sk_err;
	struct event *event;

	if (error == 110)
		count = COUNT_TIMEOUT;
	else if (error == 111)
		count = COUNT_REFUSED;
	else if (error == 104 || error == 32)
		count = COUNT_RESET;
	else if (!error && flag & FIN_SENT_FIRST)
		count = COUNT_LOCAL;
	else if (!error && flag & FIN_GOT_FIRST && from == TCP_LAST_ACK)
		count = COUNT_REMOTE;

	event = record(count, port);
	if (event)
		bpf_ringbuf_submit(event, 0);
}

static __always_inline __u32 *remember(struct sock *sk, __u32 flag)
{
	__u32 *known = bpf_sk_storage_get(&flags, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (known)
		*known = flag;
	else
		__sync_fetch_and_add(&lost, 1);
	return known;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int from, int to)
{
	__u32 *flag;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (to == TCP_SYN_SENT) {
		if (remember(sk, CLIENT))
			opened(sk, COUNT_SYN_SENT, true);
		return 0;
	}
	flag = bpf_sk_storage_get(&flags, sk, 0, 0);
	if (to == TCP_ESTABLISHED) {
		if (flag && *flag & CLIENT)
			opened(sk, COUNT_ESTABLISHED, true);
		else if (from == TCP_SYN_RECV && remember(sk, 0))
			opened(sk, COUNT_ACCEPTED, false);
		return 0;
	}
	if (!flag)
		return 0;
	if (to == TCP_CLOSE) {
		ended(sk, from, *flag);
		bpf_sk_storage_delete(&flags, sk);
	} else if (!(*flag & (FIN_SENT_FIRST | FIN_GOT_FIRST))) {
		if (to == TCP_FIN_WAIT1)
			*flag |= FIN_SENT_FIRST;
		else if (to == TCP_CLOSE_WAIT)
			*flag |= FIN_GOT_FIRST;
	}
	return 0;
}
