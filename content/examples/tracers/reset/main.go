// Reset reads a counter that the kernel keeps counting with, once by setting it to zero and once without.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/cilium/ebpf/link"
)

//go:generate go tool bpf2go -go-package main -target amd64 execs ../execs/execs.bpf.c -- -O2 -g -mcpu=v3 -I../headers

// execute starts n programs; each is an event for the kernel side.
func execute(n int) error {
	for range n {
		if err := exec.Command("/bin/true").Run(); err != nil {
			return err
		}
	}
	return nil
}

func run() error {
	var objects execsObjects
	if err := loadExecsObjects(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	attached, err := link.Tracepoint("sched", "sched_process_exec", objects.OnExec, nil)
	if err != nil {
		return err
	}
	defer attached.Close()
	pid := uint32(os.Getpid())

	for _, zero := range []bool{true, false} {
		if err := objects.Counts.Put(pid, uint64(0)); err != nil {
			return err
		}
		if err := execute(3); err != nil {
			return err
		}
		var first, second uint64
		if err := objects.Counts.Lookup(pid, &first); err != nil {
			return err
		}
		if err := execute(2); err != nil { // between the read and what follows it
			return err
		}
		if zero {
			if err := objects.Counts.Put(pid, uint64(0)); err != nil {
				return err
			}
		}
		if err := execute(4); err != nil {
			return err
		}
		if err := objects.Counts.Lookup(pid, &second); err != nil {
			return err
		}
		if zero {
			fmt.Printf("set to zero after each reading: %d + %d = %d of 9\n", first, second, first+second)
		} else {
			fmt.Printf("only read, and subtracted:      %d + %d = %d of 9\n", first, second-first, second)
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "reset:", err)
		os.Exit(1)
	}
}
