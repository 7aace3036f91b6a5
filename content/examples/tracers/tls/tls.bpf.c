// Sees the alerts of a Go program before they are encrypted.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

// Alerts by number, RFC 8446, section 6.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} alerts SEC(".maps");

// region alert
// func (c *Conn) sendAlert(err alert) error: Go passes the receiver in AX and err in BX
SEC("uprobe/crypto/tls.(*Conn).sendAlert")
int on_alert(struct pt_regs *ctx)
{
	__u32 alert = (__u8)ctx->bx;
	__u64 *count = bpf_map_lookup_elem(&alerts, &alert);

	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}
// endregion alert
