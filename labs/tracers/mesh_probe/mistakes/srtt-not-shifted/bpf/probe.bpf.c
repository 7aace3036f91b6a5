#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define ETHERNET 14
#define ETH_P_IP 0x0800

struct prefix {
	__u32 bits;
	__u8 address[4]; /* as on the wire, the first byte first */
};

/* 1: watched, 0: an exception */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix);
	__type(value, __u32);
} watched SEC(".maps");

static bool is_watched(const __u8 address[4])
{
	struct prefix key = {.bits = 32};
	__u32 *found;

	__builtin_memcpy(key.address, address, 4);
	found = bpf_map_lookup_elem(&watched, &key);
	return found && *found;
}

/* Lets through what one end of which is watched; which end is the server, only the handshake tells. */
SEC("socket")
int by_address(struct __sk_buff *skb)
{
	__u8 ends[2][4], protocol;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return 0;
	if (bpf_skb_load_bytes(skb, ETHERNET + 9, &protocol, 1) || protocol != IPPROTO_TCP)
		return 0;
	if (bpf_skb_load_bytes(skb, ETHERNET + 12, ends, sizeof(ends)))
		return 0;
	return is_watched(ends[0]) || is_watched(ends[1]) ? -1 : 0;
}

/* One sample of a socket's smoothed round-trip time. Addresses and ports are in network order. */
struct rtt_sample {
	__u8 near[4];
	__u8 far[4];
	__u16 near_port;
	__u16 far_port;
	__u32 microseconds;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} samples SEC(".maps");

SEC("fentry/tcp_rcv_established")
int BPF_PROG(received, struct sock *sk)
{
	struct sock_common *common = &sk->__sk_common;
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u32 near = common->skc_rcv_saddr, far = common->skc_daddr;
	struct rtt_sample *sample;

	if (!tp || common->skc_family != 2 || !tp->srtt_us)
		return 0;
	if (!is_watched((__u8 *)&near) && !is_watched((__u8 *)&far))
		return 0;
	sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);
	if (!sample)
		return 0; /* one sample of many */
	__builtin_memcpy(sample->near, &near, 4);
	__builtin_memcpy(sample->far, &far, 4);
	sample->near_port = bpf_htons(common->skc_num);
	sample->far_port = common->skc_dport;
	sample->microseconds = tp->srtt_us;
	bpf_ringbuf_submit(sample, 0);
	return 0;
}

/* By number, RFC 8446, section 6. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} alerts SEC(".maps");

/* func (c *Conn) sendAlert(err alert) error: Go has the receiver in AX and err in BX */
SEC("uprobe/sendAlert")
int on_alert(struct pt_regs *ctx)
{
	__u32 alert = (__u8)ctx->bx;
	__u64 *count = bpf_map_lookup_elem(&alerts, &alert);

	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}
