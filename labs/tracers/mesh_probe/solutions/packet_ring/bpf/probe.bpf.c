/*
 * The kernel's share of the probe: which packets are copied to user space, round trips of the clients' sockets, and
 * the alerts of a Go program. Whatever needs memory of a connection's bytes is done above.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define ETH_HEADER 14
#define ETH_P_IP 0x0800
#define PACKET_OUTGOING 4
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* On loopback a packet passes twice, and its direction says nothing of who the client is. */
volatile const bool loopback = false;

/* Alerts by number, RFC 8446, section 6. */
__u64 alerts[256];
/* Samples of round trips that found no room. */
__u64 samples_lost;

/* Addresses are arrays of bytes, since the trie compares from the first byte of the key on. */
struct prefix {
	__u32 bits;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix);
	__type(value, __u32); /* 1: watched, 0: an exception */
} watched SEC(".maps");

/* A connection, seen from its client; all as on the wire. */
struct flow {
	__u8 client[4];
	__u8 server[4];
	__be16 client_port;
	__be16 server_port;
};

/* Connections of which at least one end is watched; the value says whether the server is. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct flow);
	__type(value, __u32);
} flows SEC(".maps");

struct rtt_sample {
	__u8 server[4];
	__be16 server_port;
	__u16 unused;
	__u32 srtt_us;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} samples SEC(".maps");

static __always_inline bool is_watched(const __u8 *address)
{
	struct prefix key = {.bits = 32};
	__u32 *value;

	__builtin_memcpy(key.address, address, sizeof(key.address));
	value = bpf_map_lookup_elem(&watched, &key);
	return value && *value;
}

static __always_inline void set_flow(struct flow *flow, const __u8 *client, __be16 client_port, const __u8 *server,
				     __be16 server_port)
{
	__builtin_memcpy(flow->client, client, 4);
	__builtin_memcpy(flow->server, server, 4);
	flow->client_port = client_port;
	flow->server_port = server_port;
}

/*
 * For the packet socket: the segments of connections with a watched server that carry data or change the connection's
 * state. Pure acknowledgements tell user space nothing.
 */
SEC("socket")
int capture(struct __sk_buff *skb)
{
	struct {
		__be16 source, dest;
		__be32 seq, ack;
		__u8 offset, flags;
	} __attribute__((packed)) tcp;
	bool source_watched, dest_watched, from_client, server_watched, data;
	__u8 ip[20];
	__u32 ip_length, value, *known;
	struct flow forward, backward;

	if (skb->protocol != bpf_htons(ETH_P_IP) || (loopback && skb->pkt_type == PACKET_OUTGOING))
		return 0;
	if (bpf_skb_load_bytes(skb, ETH_HEADER, ip, sizeof(ip)))
		return 0;
	if (ip[9] != IPPROTO_TCP || (ip[6] & 0x1f) || ip[7]) /* the second and later fragments have no TCP header */
		return 0;
	source_watched = is_watched(ip + 12);
	dest_watched = is_watched(ip + 16);
	if (!source_watched && !dest_watched)
		return 0;

	ip_length = (ip[0] & 15) * 4;
	if (bpf_skb_load_bytes(skb, ETH_HEADER + ip_length, &tcp, sizeof(tcp)))
		return 0;
	data = ((ip[2] << 8) | ip[3]) > ip_length + (tcp.offset >> 4) * 4;
	if (!data && !(tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return 0;

	set_flow(&forward, ip + 12, tcp.source, ip + 16, tcp.dest);
	set_flow(&backward, ip + 16, tcp.dest, ip + 12, tcp.source);
	known = NULL;
	if (tcp.flags & TCP_SYN) {
		from_client = !(tcp.flags & TCP_ACK);
		known = bpf_map_lookup_elem(&flows, from_client ? &forward : &backward);
		if (!known) /* if the ports are used again the other way round, what was known is wrong now */
			bpf_map_delete_elem(&flows, from_client ? &backward : &forward);
	} else if ((known = bpf_map_lookup_elem(&flows, &forward))) {
		from_client = true;
	} else if ((known = bpf_map_lookup_elem(&flows, &backward))) {
		from_client = false;
	} else if (loopback) { /* the SYN was before our time: a server has the smaller port, most likely */
		from_client = bpf_ntohs(tcp.source) > bpf_ntohs(tcp.dest);
	} else {
		from_client = skb->pkt_type == PACKET_OUTGOING;
	}
	server_watched = from_client ? dest_watched : source_watched;
	if (!known && (data || (tcp.flags & TCP_SYN))) {
		value = server_watched;
		bpf_map_update_elem(&flows, from_client ? &forward : &backward, &value, BPF_ANY);
	}
	return server_watched ? -1 : 0;
}

/*
 * After each segment that an established socket got: the round-trip time, with this segment's own sample worked in.
 * Clients' sockets only: theirs ends with the answer that acknowledges the request. The server's would end with the
 * client's acknowledgement, which is delayed by up to 40 ms when it has nothing more to ask.
 */
SEC("fexit/tcp_rcv_established")
int BPF_PROG(round_trip, struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__be32 client, server;
	struct rtt_sample *sample;
	struct flow flow;
	__u32 *value, srtt;

	if (!tp)
		return 0;
	srtt = tp->srtt_us >> 3; /* stored times eight */
	if (!srtt)
		return 0;
	client = sk->__sk_common.skc_rcv_saddr;
	server = sk->__sk_common.skc_daddr;
	set_flow(&flow, (__u8 *)&client, bpf_htons(sk->__sk_common.skc_num), (__u8 *)&server,
		 sk->__sk_common.skc_dport);
	value = bpf_map_lookup_elem(&flows, &flow);
	if (!value || !*value)
		return 0;
	sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);
	if (!sample) {
		__sync_fetch_and_add(&samples_lost, 1);
		return 0;
	}
	__builtin_memcpy(sample->server, flow.server, sizeof(sample->server));
	sample->server_port = flow.server_port;
	sample->unused = 0;
	sample->srtt_us = srtt;
	bpf_ringbuf_submit(sample, BPF_RB_NO_WAKEUP); /* user space looks several times a second anyway */
	return 0;
}

/* func (c *Conn) sendAlert(err alert) error: Go passes the receiver in AX and err in BX. */
SEC("uprobe/crypto/tls.(*Conn).sendAlert")
int alert_sent(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&alerts[ctx->bx & 255], 1);
	return 0;
}
