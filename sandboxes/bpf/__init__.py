"""The tools that turn C into eBPF: clang, bpf2go and the headers, all brought by the set-up."""
