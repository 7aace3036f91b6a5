#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Many helpers are for GPL programs only; without this line the verifier refuses them. */
char LICENSE[] SEC("license") = "GPL";

/* A network as the trie wants it: bpf2go makes a Go type of it, bpfPrefix. */
struct prefix {
	__u32 bits;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix);
	__type(value, __u32);
} watched SEC(".maps");

/* For a packet socket, by SO_ATTACH_BPF: returns how many bytes of the packet it gets a copy of. */
SEC("socket")
int by_address(struct __sk_buff *skb)
{
	struct prefix key = {.bits = 32};

	/* TODO: bpf_skb_load_bytes, and look both ends up */
	return bpf_map_lookup_elem(&watched, &key) ? -1 : 0;
}

/* TODO: a program for the round-trip time (fentry/tcp_rcv_established), and one for alerts (uprobe) */
