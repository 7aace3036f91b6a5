#include "common.h"

SEC("xdp")
int refused(struct xdp_md *ctx)
{
	return *(volatile __u32 *)((char *)ctx + 200); /* here */
}
