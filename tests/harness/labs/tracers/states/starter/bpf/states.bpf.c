#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "event.h"

char LICENSE[] SEC("license") = "GPL";
