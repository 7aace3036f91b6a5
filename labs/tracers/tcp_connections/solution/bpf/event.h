#ifndef EVENT_H
#define EVENT_H

/* One record is one count: what it is a count of, and of whom. */
enum kind {
	SYN_SENT,
	ESTABLISHED,
	ACCEPTED,
	CLOSED,
};

enum reason {
	REFUSED,
	TIMEOUT,
	RESET,
	LOCAL,
	REMOTE,
	ABORTED,
};

struct event {
	__u8 addr[16]; /* of dst; an IPv4 address is mapped. Unused when kind is CLOSED */
	__u16 port;    /* of dst, or the local port when kind is CLOSED */
	__u8 kind;
	__u8 reason; /* when kind is CLOSED */
};

/* keeps the type in the object, where bpf2go looks for it */
const struct event *unused __attribute__((unused));

#endif
