// Counts what TCP sockets come to: one record for each count.
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "event.h"

char LICENSE[] SEC("license") = "GPL";

#define AF_INET6 10
#define EPIPE 32
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); // user space sets RING_BYTES
} events SEC(".maps");

// How many bytes have to wait before the reader is woken. It comes by itself now and then; set by user space.
volatile const __u32 wake_bytes = 1;

enum counter { LOST, UNTRACKED, COUNTERS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

enum stage {
	NOT_SEEN,  // not seen to begin, or ended
	CONNECTED, // began with connect(2): counted
	HANDSHAKE, // made by a listener: not counted yet
	ACCEPTED,  // made by a listener: counted
};

// What is remembered of a socket is kept at the socket itself, and is freed with it. There is no limit to run into, and
// a new socket at the same address cannot inherit it.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, enum stage);
} stages SEC(".maps");

static __always_inline void add(enum counter counter)
{
	__u32 key = counter;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		(*value)++; // this CPU's own, and this program does not interrupt itself
}

static __always_inline struct event *reserve(enum counted counted, __u16 port)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		add(LOST);
		return NULL;
	}
	event->counted = counted;
	event->port = port;
	event->unused = 0;
	return event;
}

static __always_inline void submit(struct event *event)
{
	// asked before: the record belongs to the reader afterwards
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(event, waiting >= wake_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void put_address(struct event *event, int family, const struct in6_addr *v6, __be32 v4)
{
	__u32 *words = (__u32 *)event->addr;

	if (family == AF_INET6) { // an IPv4 address in an IPv6 socket has the form below already
		words[0] = v6->in6_u.u6_addr32[0];
		words[1] = v6->in6_u.u6_addr32[1];
		words[2] = v6->in6_u.u6_addr32[2];
		words[3] = v6->in6_u.u6_addr32[3];
	} else {
		words[0] = 0;
		words[1] = 0;
		words[2] = bpf_htonl(0xffff);
		words[3] = v4;
	}
}

static __always_inline void count_remote(struct sock *sk, enum counted counted)
{
	struct sock_common *common = &sk->__sk_common;
	struct event *event = reserve(counted, bpf_ntohs(common->skc_dport));

	if (!event)
		return;
	put_address(event, common->skc_family, &common->skc_v6_daddr, common->skc_daddr);
	submit(event);
}

static __always_inline void count_local(struct sock *sk, enum counted counted)
{
	struct sock_common *common = &sk->__sk_common;
	struct event *event = reserve(counted, common->skc_num);

	if (!event)
		return;
	put_address(event, common->skc_family, &common->skc_v6_rcv_saddr, common->skc_rcv_saddr);
	submit(event);
}

static __always_inline void count_end(struct tcp_sock *tcp, enum counted counted)
{
	// not skc_num: the port has been given back by now
	struct event *event = reserve(counted, bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport));

	if (!event)
		return;
	__builtin_memset(event->addr, 0, sizeof(event->addr));
	submit(event);
}

// Which way a socket ends is told by its error and the state that it ends from. Those after FIN_WAIT1 cannot be reached
// without it, and LAST_ACK comes after CLOSE_WAIT only.
static __always_inline enum counted end(int error, int state)
{
	if (error == ETIMEDOUT)
		return COUNT_TIMEOUT;
	if (error == ECONNREFUSED)
		return COUNT_REFUSED;
	if (error == ECONNRESET || error == EPIPE)
		return COUNT_RESET;
	if (error)
		return COUNT_ABORTED;
	if (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING)
		return COUNT_LOCAL;
	if (state == TCP_LAST_ACK)
		return COUNT_REMOTE;
	return COUNT_ABORTED;
}

static __always_inline void begin(struct sock *sk, enum stage stage)
{
	enum stage *kept = bpf_sk_storage_get(&stages, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!kept) {
		add(UNTRACKED); // no memory; the socket stays uncounted, its end too
		return;
	}
	*kept = stage;
	if (stage == CONNECTED)
		count_remote(sk, COUNT_SYN_SENT);
}

// Why the raw tracepoint: it is skipped only while this very program runs on this CPU, not while any other does. And the
// socket comes with its type, so that fields are read without a helper.
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int from, int to)
{
	struct tcp_sock *tcp;
	enum stage *stage;

	// cheap questions first: four of the ten changes of a connection end here
	if (to != TCP_SYN_SENT && to != TCP_SYN_RECV && to != TCP_ESTABLISHED && to != TCP_CLOSE)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp) // MPTCP, SCTP, DCCP
		return 0;

	if (to == TCP_SYN_SENT) {
		begin(sk, CONNECTED);
		return 0;
	}
	if (to == TCP_SYN_RECV) {
		// from SYN_SENT it connects to one that connects to it at the same time, or to itself
		if (from == TCP_LISTEN)
			begin(sk, HANDSHAKE);
		return 0;
	}

	stage = bpf_sk_storage_get(&stages, sk, NULL, 0);
	if (!stage)
		return 0;
	if (to == TCP_ESTABLISHED) {
		if (*stage == CONNECTED) {
			count_remote(sk, COUNT_ESTABLISHED);
		} else if (*stage == HANDSHAKE) {
			*stage = ACCEPTED;
			count_local(sk, COUNT_ACCEPTED);
		}
		return 0;
	}
	if (*stage == CONNECTED || *stage == ACCEPTED)
		count_end(tcp, end(sk->sk_err, from));
	*stage = NOT_SEEN; // the socket may connect again
	return 0;
}
