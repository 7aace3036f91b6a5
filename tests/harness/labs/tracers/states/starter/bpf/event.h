#ifndef EVENT_H
#define EVENT_H

struct event {
	__u32 old_state;
	__u32 new_state;
	__u16 sport;
	__u16 dport;
};

/* keeps the type in the object's BTF, where bpf2go finds it */
const struct event *unused __attribute__((unused));

#endif
