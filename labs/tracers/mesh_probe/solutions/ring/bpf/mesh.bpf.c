#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define ETHERNET 14
#define PIECE 2048
#define MOST_PIECES 33 /* of a segment of 64 KiB */
#define FIN_SYN_RST 7

struct network {
	__u32 bits;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, struct network);
	__type(value, __u8); /* 1: watched */
} networks SEC(".maps");

/* A piece of a segment, in the order of the segment. Addresses and ports as on the wire. */
struct piece {
	__u64 at;
	__u8 from[4];
	__u8 to[4];
	__u8 from_port[2];
	__u8 to_port[2];
	__u32 sequence;
	__u16 length;
	__u8 flags;
	__u8 data[PIECE];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} pieces SEC(".maps");

struct round {
	__u8 near[4];
	__u8 far[4];
	__u16 near_port;
	__u16 far_port;
	__u32 microseconds;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 10);
} rounds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u8);
	__type(value, __u64);
} alerts SEC(".maps");

static int is_watched(const void *address)
{
	struct network key = {.bits = 32};
	__u8 *value;

	__builtin_memcpy(key.address, address, 4);
	value = bpf_map_lookup_elem(&networks, &key);
	return value && *value;
}

/* Copies what matters into the ring itself, so that the socket gets nothing. */
SEC("socket")
int copy(struct __sk_buff *skb)
{
	__u32 at, rest, length, sequence;
	struct iphdr ip;
	struct tcphdr tcp;
	__u64 now = bpf_ktime_get_ns();

	if (skb->protocol != bpf_htons(0x0800) || bpf_skb_load_bytes(skb, ETHERNET, &ip, sizeof(ip)))
		return 0;
	if (ip.protocol != IPPROTO_TCP || (!is_watched(&ip.saddr) && !is_watched(&ip.daddr)))
		return 0;
	at = ETHERNET + ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)))
		return 0;
	rest = bpf_ntohs(ip.tot_len) - ip.ihl * 4 - tcp.doff * 4;
	at += tcp.doff * 4;
	sequence = bpf_ntohl(tcp.seq);
	for (int i = 0; i < MOST_PIECES; i++) {
		struct piece *piece;
		__u8 flags = tcp.fin | tcp.syn << 1 | tcp.rst << 2 | tcp.ack << 4;

		if (!rest && (i || !(flags & FIN_SYN_RST)))
			break; /* an acknowledgement says nothing new */
		piece = bpf_ringbuf_reserve(&pieces, sizeof(*piece), 0);
		if (!piece)
			break; /* a gap, which Go will find */
		length = rest < PIECE ? rest : PIECE;
		if (length) {
			__u32 less = length - 1;

			/* the compiler must not undo it: the verifier wants to see a size from 1 to PIECE */
			asm volatile("" : "+r"(less));
			if (bpf_skb_load_bytes(skb, at, piece->data, (less & (PIECE - 1)) + 1)) {
				bpf_ringbuf_discard(piece, 0);
				break;
			}
		}
		piece->at = now;
		__builtin_memcpy(piece->from, &ip.saddr, 4);
		__builtin_memcpy(piece->to, &ip.daddr, 4);
		__builtin_memcpy(piece->from_port, &tcp.source, 2);
		__builtin_memcpy(piece->to_port, &tcp.dest, 2);
		piece->sequence = sequence;
		piece->length = length;
		/* the end comes with the last piece */
		piece->flags = rest > PIECE ? flags & ~5 : flags;
		bpf_ringbuf_submit(piece, 0);
		rest -= length;
		at += length;
		sequence += length;
	}
	return 0;
}

/* The tracepoint has the smoothed time in microseconds already. */
SEC("tp/tcp/tcp_probe")
int probed(struct trace_event_raw_tcp_probe *ctx)
{
	struct sockaddr_in near, far;
	struct round *round;
	__u32 microseconds = BPF_CORE_READ(ctx, srtt);

	bpf_probe_read_kernel(&near, sizeof(near), ctx->saddr);
	bpf_probe_read_kernel(&far, sizeof(far), ctx->daddr);
	if (near.sin_family != 2 || !microseconds)
		return 0;
	if (!is_watched(&near.sin_addr) && !is_watched(&far.sin_addr))
		return 0;
	round = bpf_ringbuf_reserve(&rounds, sizeof(*round), 0);
	if (!round)
		return 0;
	__builtin_memcpy(round->near, &near.sin_addr, 4);
	__builtin_memcpy(round->far, &far.sin_addr, 4);
	round->near_port = near.sin_port;
	round->far_port = far.sin_port;
	round->microseconds = microseconds;
	bpf_ringbuf_submit(round, 0);
	return 0;
}

/* crypto/tls.(*Conn).sendAlert(err alert): the second register of Go's calling convention */
SEC("uprobe")
int alerted(struct pt_regs *ctx)
{
	__u8 alert = ctx->bx;
	__u64 one = 1, *count = bpf_map_lookup_elem(&alerts, &alert);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&alerts, &alert, &one, BPF_ANY);
	return 0;
}
