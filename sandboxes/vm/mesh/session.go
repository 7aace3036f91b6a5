package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// exchangeTime bounds one exchange that should end by itself.
const exchangeTime = 20 * time.Second

// session is a client's connection that stands. do makes one exchange, and says how it ended.
type session struct {
	local string
	do    func(ctx context.Context, e exchangePlan) (string, error)
	srtt  func() int
	end   func()
}

func (s *session) close() {
	if s.end != nil {
		s.end()
	}
}

// hold begins or goes on with a session, makes its exchanges, and ends it unless it is to be kept.
func (m *mesh) hold(ctx context.Context, p sessionPlan, kept *session) (sessionReport, *session) {
	r := sessionReport{ID: p.ID, Remote: p.Server.String(), Rows: []row{}}
	if p.Resumed != (kept != nil) {
		if kept != nil {
			kept.close()
		}
		r.Failed = fmt.Sprintf("kept: %t, resumed: %t", kept != nil, p.Resumed)
		return r, nil
	}
	s := kept
	if s == nil {
		var err error
		if s, err = m.begin(ctx, p); err != nil {
			r.Failed = err.Error()
			return r, nil
		}
	}
	r.Local = s.local
	r.Rows = s.exchange(ctx, p)
	if p.Keep {
		return r, s
	}
	s.close()
	return r, nil
}

func (m *mesh) begin(ctx context.Context, p sessionPlan) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	at, stands := m.plans[p.Server]
	if !stands {
		return nil, fmt.Errorf("nobody is at %s", p.Server)
	}
	switch p.Kind {
	case "h2":
		return m.beginHTTP(ctx, p, at)
	case "grpc":
		return m.beginGRPC(ctx, p)
	case "framer":
		return m.beginFramer(ctx, p)
	case "tls":
		if p.Fate == "stuck" {
			return m.beginStuck(ctx, p, at)
		}
		return m.beginTLS(p, at), nil
	case "openssl":
		return m.beginOpenSSL(p, at), nil
	case "echo":
		return m.beginEcho(ctx, p)
	}
	return nil, errors.New("no such kind of client")
}

// exchange makes all of the session's exchanges, so many at once as it says.
func (s *session) exchange(ctx context.Context, p sessionPlan) []row {
	queue := make(chan int)
	go func() {
		defer close(queue)
		for i, e := range p.Exchanges {
			for range e.times() {
				queue <- i
			}
		}
	}()
	rows := []row{}
	var mutex sync.Mutex
	var all sync.WaitGroup
	for range p.Concurrent {
		all.Go(func() {
			for i := range queue {
				said := s.one(ctx, p.Exchanges[i])
				mutex.Lock()
				said.Exchange = i
				rows = append(rows, said)
				mutex.Unlock()
			}
		})
	}
	all.Wait()
	return rows
}

// times is how often an exchange is made: the frames of a reset all belong to one.
func (e exchangePlan) times() int {
	if e.Ask == "reset" {
		return 1
	}
	return e.Count
}

func (s *session) one(ctx context.Context, e exchangePlan) row {
	if e.Ask != "reset" {
		pause(ctx, e.PauseMS)
	}
	long := time.Duration(e.Count*e.PauseMS) * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, exchangeTime+long)
	defer cancel()
	said, err := s.do(ctx, e)
	if err != nil {
		said = "failed: " + err.Error()
	}
	r := row{At: now(), Said: said}
	if s.srtt != nil {
		r.SRTT = s.srtt()
	}
	return r
}

func pause(ctx context.Context, ms int) {
	if ms == 0 {
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-ctx.Done():
	}
}

// dial connects from the session's address. Keep-alive probes would be packets that no plan has.
func (p sessionPlan) dial(ctx context.Context) (*net.TCPConn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.Source)}, KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	conn, err := dialer.DialContext(ctx, "tcp4", p.Server.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// smoothed is the kernel's srtt of a connection in microseconds.
func smoothed(conn *net.TCPConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	srtt := 0
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			srtt = int(info.Rtt)
		}
	})
	return srtt
}
