#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "event.h"

char LICENSE[] SEC("license") = "GPL";

/* asm-generic/errno.h: constants are not in BTF */
#define EPIPE 32
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111

enum closer {
	NOBODY,
	US,
	THEM,
};

struct connection {
	__u8 connects; /* it is a client's */
	__u8 closer;   /* who sent the first FIN */
};

/* From the first count of a socket to its CLOSE. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct connection);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* RING_BYTES, see main.go */
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void lose(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&lost, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline void count_open(enum kind kind, const __u8 *addr, __u16 port)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lose();
		return;
	}
	/* not memcpy: clang would load from ctx plus an offset that it computes, which the verifier refuses */
	bpf_probe_read_kernel(event->addr, sizeof(event->addr), addr);
	event->port = port;
	event->kind = kind;
	event->reason = 0;
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void count_closed(enum reason reason, __u16 port)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lose();
		return;
	}
	__builtin_memset(event->addr, 0, sizeof(event->addr));
	event->port = port;
	event->kind = CLOSED;
	event->reason = reason;
	bpf_ringbuf_submit(event, 0);
}

/* An error says more than the order of the FINs: it comes first. */
static __always_inline enum reason why(int state, enum closer closer, int error)
{
	switch (error) {
	case ETIMEDOUT:
		return TIMEOUT;
	case ECONNREFUSED:
		return REFUSED;
	case ECONNRESET:
	case EPIPE:
		return RESET;
	}
	if (error)
		return ABORTED;
	if (closer == US)
		return LOCAL;
	/* From CLOSE_WAIT it would have been the end of one who did not say good-bye. */
	if (closer == THEM)
		return REMOTE;
	return ABORTED;
}

SEC("tp/sock/inet_sock_set_state")
int set_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	const struct sock *sk = ctx->skaddr;
	__u64 key = (__u64)sk;
	struct connection *connection;
	struct connection fresh = {};

	if (ctx->protocol != IPPROTO_TCP)
		return 0;

	switch (ctx->newstate) {
	case TCP_SYN_SENT:
		fresh.connects = 1;
		if (bpf_map_update_elem(&connections, &key, &fresh, BPF_ANY))
			lose();
		else
			count_open(SYN_SENT, ctx->daddr_v6, ctx->dport);
		return 0;
	case TCP_ESTABLISHED:
		connection = bpf_map_lookup_elem(&connections, &key);
		if (connection && connection->connects)
			count_open(ESTABLISHED, ctx->daddr_v6, ctx->dport);
		else if (ctx->oldstate != TCP_SYN_RECV)
			return 0; /* it began before us */
		else if (bpf_map_update_elem(&connections, &key, &fresh, BPF_ANY))
			lose();
		else
			count_open(ACCEPTED, ctx->saddr_v6, ctx->sport);
		return 0;
	case TCP_FIN_WAIT1:
	case TCP_CLOSE_WAIT:
		connection = bpf_map_lookup_elem(&connections, &key);
		if (connection && connection->closer == NOBODY)
			connection->closer = connection->connects ? US : THEM;
		return 0;
	case TCP_CLOSE:
		connection = bpf_map_lookup_elem(&connections, &key);
		if (!connection)
			return 0;
		count_closed(why(ctx->oldstate, connection->closer, BPF_CORE_READ(sk, sk_err)), ctx->sport);
		bpf_map_delete_elem(&connections, &key);
		return 0;
	}
	return 0;
}
