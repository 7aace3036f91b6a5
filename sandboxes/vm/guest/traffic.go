package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxConnections = 2000
	maxListeners   = 64
	maxParallel    = 64
	maxBytes       = 64 << 10
	// stepTime bounds one read or write of a connection that should end by itself.
	stepTime = 20 * time.Second
	// giveUpAfter is long enough for the SYN to be sent.
	giveUpAfter = 100 * time.Millisecond
)

func init() {
	register("traffic", runTraffic)
	register("traffic_release", releaseTraffic)
}

// plan is what the host wants to happen. It is made from the run's seed, and the host keeps it: what is reported
// here is only compared with it. See labs/harness/traffic.py.
type plan struct {
	Listeners   []listenerPlan   `json:"listeners"`
	Connections []connectionPlan `json:"connections"`
	// Parallel is how many connections are under way at once; those to a full queue come one by one, last.
	Parallel int `json:"parallel"`
}

type listenerPlan struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	// Serve is echo, close, reset, hold or full: what happens to a connection that was accepted; full never accepts.
	Serve   string `json:"serve"`
	Backlog int    `json:"backlog"`
	MPTCP   bool   `json:"mptcp"`
}

type connectionPlan struct {
	ID      int    `json:"id"`
	Kind    string `json:"kind"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	Bytes   int    `json:"bytes"`
	// Source is the local port, 0 for one that the kernel chooses.
	Source int `json:"source"`
	// Mapped: an IPv6 socket connects to an IPv4 address.
	Mapped bool `json:"mapped"`
	MPTCP  bool `json:"mptcp"`
}

// outcome is how one connection really ended for its client: Errno is empty for an orderly end.
type outcome struct {
	ID     int     `json:"id"`
	Errno  string  `json:"errno"`
	Local  string  `json:"local"`
	Remote string  `json:"remote"`
	Open   bool    `json:"open"`
	MS     float64 `json:"ms"`
}

type report struct {
	Outcomes []outcome `json:"outcomes"`
	Seconds  float64   `json:"seconds"`
}

// held are the connections that stay open until they are released.
var held struct {
	sync.Mutex
	closers []func() error
}

func hold(closer func() error) {
	held.Lock()
	defer held.Unlock()
	held.closers = append(held.closers, closer)
}

// releaseTraffic closes what a plan left open.
func releaseTraffic(context.Context, *Call) (any, error) {
	held.Lock()
	closers := held.closers
	held.closers = nil
	held.Unlock()
	for _, closer := range closers {
		_ = closer()
	}
	return map[string]int{"released": len(closers)}, nil
}

// runTraffic does what the plan in the request's body says, and reports how each connection ended.
func runTraffic(ctx context.Context, call *Call) (any, error) {
	var p plan
	decoder := json.NewDecoder(call.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p.run(ctx)
}

func (p *plan) check() error {
	switch {
	case len(p.Connections) > maxConnections:
		return fmt.Errorf("%d connections", len(p.Connections))
	case len(p.Listeners) > maxListeners:
		return fmt.Errorf("%d listeners", len(p.Listeners))
	case p.Parallel < 1 || p.Parallel > maxParallel:
		return fmt.Errorf("%d connections at once", p.Parallel)
	}
	for _, c := range p.Connections {
		if clients[c.Kind] == nil {
			return fmt.Errorf("no connection ends by %q", c.Kind)
		}
		if c.Bytes < 0 || c.Bytes > maxBytes {
			return fmt.Errorf("%d bytes", c.Bytes)
		}
		if net.ParseIP(c.Address) == nil {
			return fmt.Errorf("%q is not an address", c.Address)
		}
	}
	return nil
}

func (p *plan) run(ctx context.Context) (report, error) {
	begun := time.Now()
	servers, err := p.listen()
	if err != nil {
		return report{}, err
	}
	defer servers.stop()
	outcomes := make([]outcome, len(p.Connections))
	one := func(i int) { outcomes[i] = p.Connections[i].connect(ctx) }
	var together, last []int
	for i, c := range p.Connections {
		if c.Kind == "overflow" {
			last = append(last, i)
		} else {
			together = append(together, i)
		}
	}
	inParallel(together, p.Parallel, one)
	// a queue fills up in the order of the plan, so that the host knows who finds it full
	inParallel(last, 1, one)
	return report{outcomes, time.Since(begun).Seconds()}, ctx.Err()
}

func inParallel(work []int, workers int, do func(int)) {
	queue := make(chan int, len(work))
	for _, i := range work {
		queue <- i
	}
	close(queue)
	var all sync.WaitGroup
	for range min(workers, len(work)) {
		all.Go(func() {
			for i := range queue {
				do(i)
			}
		})
	}
	all.Wait()
}

// connect makes one connection and ends it in its way.
func (c connectionPlan) connect(ctx context.Context) outcome {
	begun := time.Now()
	remote := net.JoinHostPort(c.Address, fmt.Sprint(c.Port))
	result := outcome{ID: c.ID, Remote: remote}
	conn, err := c.dial(ctx, remote)
	if err == nil {
		tcp := conn.(*net.TCPConn)
		result.Local, result.Remote = tcp.LocalAddr().String(), tcp.RemoteAddr().String()
		result.Open, err = clients[c.Kind](tcp, c)
	}
	result.Errno = errnoName(err)
	result.MS = float64(time.Since(begun).Microseconds()) / 1000
	return result
}

func (c connectionPlan) dial(ctx context.Context, remote string) (net.Conn, error) {
	if c.Mapped {
		return c.dialMapped()
	}
	dialer := net.Dialer{Control: c.options, KeepAlive: -1}
	dialer.SetMultipathTCP(c.MPTCP)
	if c.Source != 0 {
		dialer.LocalAddr = &net.TCPAddr{Port: c.Source}
	}
	if c.Kind == "self_connect" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.Address), Port: c.Source}
	}
	if c.Kind != "give_up" {
		return dialer.DialContext(ctx, "tcp", remote)
	}
	// closed while it still is in SYN_SENT
	dialer.Timeout = giveUpAfter
	conn, err := dialer.DialContext(ctx, "tcp", remote)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		err = syscall.EINPROGRESS
	}
	return conn, err
}

// dialMapped connects an IPv6 socket to an IPv4 address, as programs do that know one family only.
func (c connectionPlan) dialMapped() (net.Conn, error) {
	ip := net.ParseIP(c.Address).To4()
	if ip == nil {
		return nil, fmt.Errorf("%s has no mapped form", c.Address)
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "mapped")
	defer file.Close() // FileConn has a copy
	if err := unix.Connect(fd, &unix.SockaddrInet6{Port: c.Port, Addr: [16]byte(ip.To16())}); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}

// options lets a connection that nobody answers give up soon: one SYN is sent again, then it is over. A port of
// the plan's may be used for several connections.
func (c connectionPlan) options(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		if c.Source != 0 {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		}
		if c.Kind != "timeout" && c.Kind != "overflow" {
			return
		}
		failed = errors.Join(
			failed,
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SYNCNT, 1),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300),
		)
	})
	return errors.Join(err, failed)
}

// errnoName is "" for no error, the name of an errno, or the error's own words.
func errnoName(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	default:
		return err.Error()
	}
}
