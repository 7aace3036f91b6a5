package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mesh is what stands between two plans: the network, the servers, and the sessions that were kept.
type mesh struct {
	network *network
	keys    *keys
	hook    *webhook
	orders  orders
	servers map[place]server
	plans   map[place]serverPlan
	kept    map[int]*session
}

// server is what listens at a place.
type server interface{ close() }

func newMesh() (*mesh, error) {
	k, err := newKeys(stateFolder)
	if err != nil {
		return nil, err
	}
	n, err := newNetwork()
	if err != nil {
		return nil, err
	}
	m := &mesh{
		network: n, keys: k, orders: newOrders(),
		servers: map[place]server{}, plans: map[place]serverPlan{}, kept: map[int]*session{},
	}
	m.hook, err = newWebhook()
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *mesh) facts() any {
	return map[string]any{"device": nodeDevice, "webhook": hookAddress}
}

func (m *mesh) close() {
	for _, s := range m.kept {
		s.close()
	}
	for _, s := range m.servers {
		s.close()
	}
	if m.hook != nil {
		m.hook.close()
	}
	m.network.close()
}

// report is what has become of a plan. Times are seconds of CLOCK_MONOTONIC.
type report struct {
	Begun    float64         `json:"begun"`
	Ended    float64         `json:"ended"`
	Sessions []sessionReport `json:"sessions"`
}

type sessionReport struct {
	ID     int    `json:"id"`
	Local  string `json:"local"`
	Remote string `json:"remote"`
	Rows   []row  `json:"rows"`
	// Failed is why the session could not be had, or could not go on.
	Failed string `json:"failed,omitempty"`
}

// row is one exchange that is over: which of the session's list, when, how, and the smoothed round-trip time of the
// connection then in microseconds, where that was asked for.
type row struct {
	Exchange int     `json:"exchange"`
	At       float64 `json:"at"`
	Said     string  `json:"said"`
	SRTT     int     `json:"srtt_us,omitempty"`
}

func now() float64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return float64(ts.Nano()) / float64(time.Second)
}

func (m *mesh) carryOut(ctx context.Context, p *plan) (any, error) {
	if p == nil {
		return nil, errors.New("there is no plan")
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := m.checkKept(p); err != nil {
		return nil, err
	}
	if err := m.prepare(ctx, p); err != nil {
		return nil, err
	}
	r := report{Begun: now(), Sessions: make([]sessionReport, len(p.Sessions))}
	queue := make(chan int, len(p.Sessions))
	for i := range p.Sessions {
		queue <- i
	}
	close(queue)
	var all sync.WaitGroup
	var mutex sync.Mutex
	for range p.Parallel {
		all.Go(func() {
			for i := range queue {
				one := p.Sessions[i]
				mutex.Lock()
				s := m.kept[one.ID]
				delete(m.kept, one.ID)
				mutex.Unlock()
				said, kept := m.hold(ctx, one, s)
				r.Sessions[i] = said
				if kept != nil {
					mutex.Lock()
					m.kept[one.ID] = kept
					mutex.Unlock()
				}
			}
		})
	}
	all.Wait()
	r.Ended = now()
	return r, ctx.Err()
}

// checkKept bounds the sessions that stand between plans.
func (m *mesh) checkKept(p *plan) error {
	kept := len(m.kept)
	for _, s := range p.Sessions {
		if s.Keep && !s.Resumed {
			kept++
		}
	}
	if kept > maxSessions {
		return fmt.Errorf("%d sessions would be kept", kept)
	}
	return nil
}

// prepare has all addresses, servers and delays in place before the first session begins.
func (m *mesh) prepare(ctx context.Context, p *plan) error {
	for _, s := range p.Sessions {
		if err := m.network.addClient(s.Source); err != nil {
			return err
		}
	}
	if p.DelayMS != nil {
		if err := m.network.delay(*p.DelayMS, p.Loss, p.Reorder); err != nil {
			return err
		}
	}
	for _, s := range p.Servers {
		if have, stands := m.plans[s.place()]; stands {
			if have != s {
				return fmt.Errorf("another server stands at %s", s.place())
			}
			continue
		}
		if len(m.plans) >= maxStanding {
			return errors.New("too many servers")
		}
		if err := m.network.addPod(s.Address); err != nil {
			return err
		}
		started, err := m.serve(ctx, s)
		if err != nil {
			return fmt.Errorf("%s at %s: %w", s.Kind, s.place(), err)
		}
		m.servers[s.place()], m.plans[s.place()] = started, s
	}
	return nil
}

// listen opens a server's port where its address is.
func (m *mesh) listen(s serverPlan) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			if s.Slow {
				// connections that are accepted have it from the listener
				failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PRIORITY, slowPriority)
			}
		})
		return errors.Join(err, failed)
	}}
	config.SetMultipathTCP(false)
	var listener net.Listener
	err := m.network.at(s.Address, func() (err error) {
		listener, err = config.Listen(context.Background(), "tcp4", s.place().String())
		return err
	})
	return listener, err
}
