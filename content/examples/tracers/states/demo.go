package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// What `effort` in states.bpf.c may be.
const (
	nothing uint32 = iota
	filter
	sendQuietly
	send
)

var (
	listening = netip.MustParseAddrPort("127.0.0.1:7001")
	nobody    = netip.MustParseAddrPort("127.0.0.1:7002")
)

// accept serves one connection after another; end says how it ends each of them.
func accept(end func(*net.TCPConn)) (net.Listener, error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(listening))
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			connection, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			end(connection)
		}
	}()
	return listener, nil
}

// wait reads until the other side has closed.
func wait(connection *net.TCPConn) {
	io.Copy(io.Discard, connection)
	connection.Close()
}

func closeFirst(connection *net.TCPConn) {
	connection.CloseWrite()
	wait(connection)
}

func reset(connection *net.TCPConn) {
	connection.SetLinger(0)
	connection.Close()
}

// lived collects, until the sockets are closed, the states of each end of the connections to our ports.
func lived(t *Tracer, want int) (map[string][]string, error) {
	found := map[string][]string{}
	ended := 0
	for ended < want {
		t.events.SetDeadline(time.Now().Add(5 * time.Second))
		record := &ringbuf.Record{}
		transition, err := t.Read(record)
		if err != nil {
			return nil, err
		}
		end := ""
		switch {
		case transition.Local == listening && transition.From != Closed && transition.From.String() != "LISTEN",
			transition.Local == listening && transition.To == SynRecv:
			end = "server"
		case transition.Remote == listening || transition.Remote == nobody:
			end = "client"
		default:
			continue
		}
		if found[end] == nil {
			found[end] = []string{transition.From.String()}
		}
		found[end] = append(found[end], transition.To.String())
		if transition.To == Closed {
			ended++
		}
	}
	return found, nil
}

// region life
func life() error {
	for _, story := range []struct {
		name   string
		to     netip.AddrPort
		client func(*net.TCPConn)
		server func(*net.TCPConn)
		ends   int
	}{
		{"the client closes first", listening, closeFirst, wait, 2},
		{"the server resets", listening, wait, reset, 2},
		{"nobody listens", nobody, wait, wait, 1},
	} {
		tracer, err := Attach(1<<20, send)
		if err != nil {
			return err
		}
		listener, err := accept(story.server)
		if err != nil {
			return err
		}
		if connection, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(story.to)); err == nil {
			story.client(connection)
		}
		states, err := lived(tracer, story.ends)
		listener.Close()
		tracer.Close()
		if err != nil {
			return err
		}
		fmt.Println(story.name)
		for _, end := range []string{"client", "server"} {
			if len(states[end]) > 0 {
				fmt.Printf("  %s  %s\n", end, strings.Join(states[end], " "))
			}
		}
	}
	return nil
}

// endregion life

// connections makes n of them, one after another, and waits for the end of each.
func connections(n int) error {
	listener, err := accept(wait)
	if err != nil {
		return err
	}
	defer listener.Close()
	for range n {
		connection, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(listening))
		if err != nil {
			return err
		}
		closeFirst(connection)
	}
	return nil
}

// lose makes more events than a ring of one page holds, and reads only then.
func lose() error {
	tracer, err := Attach(uint32(unix.Getpagesize()), send)
	if err != nil {
		return err
	}
	defer tracer.Close()
	if err := connections(20); err != nil {
		return err
	}
	read := 0
	tracer.events.SetDeadline(time.Now().Add(time.Second))
	record := &ringbuf.Record{}
	for ; ; read++ {
		if _, err := tracer.Read(record); err != nil {
			break
		}
	}
	sent, err := tracer.Count(events)
	if err != nil {
		return err
	}
	dropped, err := tracer.Count(lost)
	if err != nil {
		return err
	}
	fmt.Printf("events %d = read %d + lost %d\n", sent, read, dropped)
	return nil
}

// cost lets the kernel time the program: bpf_stats_enabled, for as long as stats is open.
func cost() error {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return err
	}
	defer stats.Close()
	for _, kind := range []struct {
		name   string
		effort uint32
	}{{"return at once", nothing}, {"look at the protocol", filter}, {"send, wake nobody", sendQuietly}, {"send and wake", send}} {
		tracer, err := Attach(1<<20, kind.effort)
		if err != nil {
			return err
		}
		go tracer.Each(func(Transition) {})
		err = connections(200)
		seen, statsErr := tracer.objects.OnState.Stats()
		tracer.Close()
		if err != nil {
			return err
		}
		if statsErr != nil {
			return statsErr
		}
		fmt.Printf("%-22s %5d ns\n", kind.name, uint64(seen.Runtime)/seen.RunCount)
	}
	return nil
}
