// Hooks makes one connection that works and one that is refused, and tells which hook saw what.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/cilium/ebpf/link"
)

//go:generate go tool bpf2go -go-package main -target amd64 hooks hooks.bpf.c -- -O2 -g -mcpu=v3 -I../headers

const ends = 3

// The order of `enum hook` in hooks.bpf.c.
var hooks = []string{
	"kprobe tcp_v4_connect",
	"fexit tcp_v4_connect = 0",
	"tracepoint to SYN_SENT",
	"tracepoint to ESTABLISHED",
	"fentry tcp_close",
}

// region attach
func attach(objects *hooksObjects) ([]link.Link, error) {
	var links []link.Link
	for _, one := range []func() (link.Link, error){
		func() (link.Link, error) { return link.Kprobe("tcp_v4_connect", objects.Connecting, nil) },
		func() (link.Link, error) {
			return link.AttachTracing(link.TracingOptions{Program: objects.ConnectReturns})
		},
		func() (link.Link, error) {
			return link.Tracepoint("sock", "inet_sock_set_state", objects.OnState, nil)
		},
		func() (link.Link, error) { return link.AttachTracing(link.TracingOptions{Program: objects.Closing}) },
	} {
		attached, err := one()
		if err != nil {
			return links, err
		}
		links = append(links, attached)
	}
	return links, nil
}

// endregion attach

func connect() error {
	listener, err := net.Listen("tcp4", "127.0.0.1:7001")
	if err != nil {
		return err
	}
	defer listener.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if accepted, err := listener.Accept(); err == nil {
			io.Copy(io.Discard, accepted)
			accepted.Close()
		}
	}()
	good, err := net.Dial("tcp4", "127.0.0.1:7001")
	if err != nil {
		return err
	}
	good.Close()
	<-ended
	if _, err := net.Dial("tcp4", "127.0.0.1:7002"); err == nil {
		return fmt.Errorf("somebody listens on port 7002")
	}
	return nil
}

func run() error {
	var objects hooksObjects
	if err := loadHooksObjects(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	_, err := link.Tracepoint("net", "tcp_connect", objects.OnState, nil)
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("net:tcp_connect: %w", err)
	}
	fmt.Println("tracepoint net:tcp_connect does not exist")
	links, err := attach(&objects)
	for _, attached := range links {
		defer attached.Close()
	}
	if err != nil {
		return err
	}
	if err := connect(); err != nil {
		return err
	}
	fmt.Printf("%-26s %s\n", "", "connected  refused  accepted")
	for hook, name := range hooks {
		var counts [ends]uint64
		for end := range counts {
			if err := objects.Seen.Lookup(uint32(hook*ends+end), &counts[end]); err != nil {
				return err
			}
		}
		fmt.Printf("%-26s %-10d %-8d %d\n", name, counts[0], counts[1], counts[2])
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hooks:", err)
		os.Exit(1)
	}
}
