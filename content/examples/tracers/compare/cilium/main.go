// Cilium loads OBJECT, attaches it, writes and reads one entry of its map, and says what memory that took.
package main

import (
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"lastmile.example/tracers/compare/memory"
)

func run(object string) error {
	collection, err := ebpf.LoadCollection(object)
	if err != nil {
		return err
	}
	defer collection.Close()
	attached, err := link.Tracepoint("sched", "sched_process_exec", collection.Programs["on_exec"], nil)
	if err != nil {
		return err
	}
	defer attached.Close()
	counts, pid, value := collection.Maps["counts"], uint32(os.Getpid()), uint64(0)
	if err := counts.Put(pid, value); err != nil {
		return err
	}
	return counts.Lookup(pid, &value)
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "cilium:", err)
		os.Exit(1)
	}
	fmt.Println(memory.Peak())
}
