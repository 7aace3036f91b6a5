package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cilium/ebpf/link"
)

// attach loads the program and has the kernel call it from now on, for as long as somebody holds the link:
// an open descriptor, or a pin.
func attach() (*bpfObjects, link.Link, error) {
	var objects bpfObjects
	if err := loadBpfObjects(&objects, nil); err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	attached, err := link.Tracepoint("raw_syscalls", "sys_enter", objects.CountGetppid, nil)
	if err != nil {
		objects.Close()
		return nil, nil, fmt.Errorf("attach: %w", err)
	}
	return &objects, attached, nil
}

// run counts in the foreground. It pins nothing: the kernel takes all of it away with the process's descriptors.
func run(pids []uint32) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, os.Interrupt)
	objects, attached, err := attach()
	if err != nil {
		return err
	}
	defer objects.Close()
	defer attached.Close()
	all := table{watched: objects.Watched, counts: objects.Counts}
	if err := all.watch(pids); err != nil {
		return err
	}
	fmt.Println("ready")
	<-ended
	return all.show()
}
