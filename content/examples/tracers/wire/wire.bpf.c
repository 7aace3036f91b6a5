// Lets a packet socket have the TCP segments with data from one port of loopback, and nothing else.
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

volatile const __u16 server_port = 0;

// region filter
SEC("socket")
int from_server(struct __sk_buff *skb)
{
	const int ethernet = 14;
	__u8 version_length, protocol, offset;
	__u16 total, port;
	int ip, tcp;

	if (skb->protocol != bpf_htons(0x0800)) // IPv4
		return 0;
	bpf_skb_load_bytes(skb, ethernet, &version_length, 1);
	bpf_skb_load_bytes(skb, ethernet + 2, &total, 2);
	bpf_skb_load_bytes(skb, ethernet + 9, &protocol, 1);
	ip = (version_length & 15) * 4;
	tcp = ethernet + ip;
	if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, tcp, &port, 2))
		return 0;
	if (bpf_skb_load_bytes(skb, tcp + 12, &offset, 1))
		return 0;
	if (bpf_ntohs(port) != server_port || bpf_ntohs(total) <= ip + (offset >> 4) * 4)
		return 0; // another port, or no data
	return -1; // all of it
}
// endregion filter
