// Nested shows what becomes of a program whose event happens while another program runs on the same CPU.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

//go:generate go tool bpf2go -go-package main -target amd64 nested nested.bpf.c -- -O2 -g -mcpu=v3 -I../headers

const calls = 100

func run() error {
	runtime.LockOSThread()
	spec, err := loadNested()
	if err != nil {
		return err
	}
	if err := spec.Variables["watched"].Set(uint32(os.Getpid())); err != nil {
		return err
	}
	var objects nestedObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	for _, one := range []func() (link.Link, error){
		func() (link.Link, error) {
			return link.Tracepoint("syscalls", "sys_enter_getpgid", objects.Outer, nil)
		},
		func() (link.Link, error) { return link.Kprobe("htab_map_update_elem", objects.ByKprobe, nil) },
		func() (link.Link, error) { return link.AttachTracing(link.TracingOptions{Program: objects.ByFentry}) },
	} {
		attached, err := one()
		if err != nil {
			return err
		}
		defer attached.Close()
	}
	for range calls {
		if _, err := unix.Getpgid(0); err != nil {
			return err
		}
	}
	for _, line := range []struct {
		name    string
		runs    *ebpf.Variable
		program *ebpf.Program
	}{
		{"outer", objects.OuterRuns, objects.Outer},
		{"inner, kprobe", objects.KprobeRuns, objects.ByKprobe},
		{"inner, fentry", objects.FentryRuns, objects.ByFentry},
	} {
		var runs uint64
		if err := line.runs.Get(&runs); err != nil {
			return err
		}
		stats, err := line.program.Stats()
		if err != nil {
			return err
		}
		fmt.Printf("%-14s events %d, runs %3d, recursion_misses %d\n", line.name, calls, runs, stats.RecursionMisses)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "nested:", err)
		os.Exit(1)
	}
}
