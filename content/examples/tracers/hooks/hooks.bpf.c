// The same three connections, seen from five hooks.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define LISTENING 7001
#define NOBODY 7002

enum hook { CONNECT, CONNECT_RETURNED_0, SYN_SENT, ESTABLISHED, CLOSE };
enum end { CONNECTED, REFUSED, ACCEPTED, ENDS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 15);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

// Which of the three ends has these ports, both in host byte order.
static __always_inline int end_of(__u16 local, __u16 remote)
{
	if (remote == LISTENING)
		return CONNECTED;
	if (remote == NOBODY)
		return REFUSED;
	if (local == LISTENING && remote)
		return ACCEPTED;
	return -1;
}

static __always_inline void count(enum hook hook, int end)
{
	__u32 key = hook * ENDS + end;
	__u64 *value;

	if (end < 0)
		return;
	value = bpf_map_lookup_elem(&seen, &key);
	if (value)
		__sync_fetch_and_add(value, 1);
}

// region kprobe
SEC("kprobe/tcp_v4_connect")
int BPF_KPROBE(connecting, struct sock *sk, struct sockaddr_in *to)
{
	__be16 port = 0;

	// the socket has no remote port yet: tcp_v4_connect is about to set it
	bpf_probe_read_kernel(&port, sizeof(port), &to->sin_port);
	count(CONNECT, end_of(0, bpf_ntohs(port)));
	return 0;
}
// endregion kprobe

// region fexit
SEC("fexit/tcp_v4_connect")
int BPF_PROG(connect_returns, struct sock *sk, struct sockaddr *to, int length, int returned)
{
	if (returned == 0)
		count(CONNECT_RETURNED_0, end_of(0, bpf_ntohs(sk->__sk_common.skc_dport)));
	return 0;
}
// endregion fexit

SEC("tracepoint/sock/inet_sock_set_state")
int on_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	int end = end_of(BPF_CORE_READ(ctx, sport), BPF_CORE_READ(ctx, dport));
	int state = BPF_CORE_READ(ctx, newstate);

	if (BPF_CORE_READ(ctx, protocol) != IPPROTO_TCP)
		return 0;
	if (state == TCP_SYN_SENT)
		count(SYN_SENT, end);
	if (state == TCP_ESTABLISHED)
		count(ESTABLISHED, end);
	return 0;
}

SEC("fentry/tcp_close")
int BPF_PROG(closing, struct sock *sk)
{
	count(CLOSE, end_of(sk->__sk_common.skc_num, bpf_ntohs(sk->__sk_common.skc_dport)));
	return 0;
}
