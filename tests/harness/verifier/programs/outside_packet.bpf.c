#include "common.h"

SEC("xdp")
int refused(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	return eth->h_proto == 8 ? XDP_PASS : XDP_DROP; /* here */
}
