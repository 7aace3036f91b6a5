#ifndef EVENT_H
#define EVENT_H

// What a record counts. The first three are states that a socket came to, the others ways to end.
enum counted {
	COUNT_SYN_SENT,
	COUNT_ESTABLISHED,
	COUNT_ACCEPTED,
	COUNT_TIMEOUT,
	COUNT_REFUSED,
	COUNT_RESET,
	COUNT_ABORTED,
	COUNT_LOCAL,
	COUNT_REMOTE,
};

// One record of the ring buffer, and one count: an address for a state, the socket's own port for an end.
struct event {
	__u8 addr[16]; // IPv4 as ::ffff:a.b.c.d, nothing for an end
	enum counted counted;
	__u16 port; // in host byte order
	__u16 unused;
};

// keeps the type in the object, where bpf2go looks for it
const struct event *unused __attribute__((unused));

#endif
