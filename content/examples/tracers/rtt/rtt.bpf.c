// Reads the smoothed round-trip time of each socket that gets data.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

volatile const __u16 server_port = 0;
__u32 last_srtt_us = 0;

// region rtt
SEC("fentry/tcp_rcv_established")
int BPF_PROG(received, struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (tp && bpf_ntohs(sk->__sk_common.skc_dport) == server_port)
		last_srtt_us = tp->srtt_us;
	return 0;
}
// endregion rtt
