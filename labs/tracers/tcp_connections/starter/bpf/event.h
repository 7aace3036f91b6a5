#ifndef EVENT_H
#define EVENT_H

/* One record of the ring buffer. bpf2go makes a Go type of it, bpfEvent. Yours to design. */
struct event {
	__u16 port;
};

/* keeps the type in the object, where bpf2go looks for it */
const struct event *unused __attribute__((unused));

#endif
