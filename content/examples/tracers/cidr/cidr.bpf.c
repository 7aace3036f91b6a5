// Counts the packets of the pods in the trie, by socket filter on loopback.
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

// region trie
struct prefix {
	__u32 bits;
	__u8 address[4]; // as on the wire: the first byte first
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix);
	__type(value, __u32);
} pods SEC(".maps");
// endregion trie

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

// region lookup
SEC("socket")
int by_pod(struct __sk_buff *skb)
{
	struct prefix key = {.bits = 32};
	__u32 *network;
	__u64 *count;

	if (skb->protocol != bpf_htons(0x0800)) // IPv4
		return 0;
	// Ethernet's header is 14 bytes; the source address is 12 into IP's
	if (bpf_skb_load_bytes(skb, 14 + 12, key.address, sizeof(key.address)))
		return 0;
	network = bpf_map_lookup_elem(&pods, &key);
	if (!network)
		return 0;
	count = bpf_map_lookup_elem(&packets, network);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0; // none of the packet to user space
}
// endregion lookup
