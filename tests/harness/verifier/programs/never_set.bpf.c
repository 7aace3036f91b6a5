#include "common.h"

SEC("tp/sock/inet_sock_set_state")
int refused(struct trace_event_raw_inet_sock_set_state *ctx)
{
	int answer;

	return answer; /* here */
}
