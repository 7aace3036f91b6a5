package main

import (
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// region metrics
// Metrics turns transitions into counters. Not for several goroutines at once, but for a scrape beside it.
type Metrics struct {
	opened *prometheus.CounterVec
	open   prometheus.Gauge
	dst    *Bounded
	known  map[uint64]struct{}
}

// NewMetrics registers them. lost is asked at each scrape.
func NewMetrics(registry prometheus.Registerer, lost func() float64) *Metrics {
	m := &Metrics{
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "demo_connections_opened_total",
			Help: "Connections that reached ESTABLISHED, by who began them and the address connected to.",
		}, []string{"side", "dst"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "demo_connections_open",
			Help: "Connections that were seen to open and not to close.",
		}),
		dst:   NewBounded(100),
		known: map[uint64]struct{}{},
	}
	registry.MustRegister(m.opened, m.open, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "demo_events_lost_total",
		Help: "Events that found no room in the ring buffer.",
	}, lost))
	return m
}

// Take counts one transition.
func (m *Metrics) Take(t Transition) {
	switch {
	case t.To == Established && t.From == SynSent:
		m.add(t.Sock, "connect", t.Remote)
	case t.To == Established && t.From == SynRecv:
		m.add(t.Sock, "accept", t.Local)
	case t.To == Closed:
		if _, known := m.known[t.Sock]; known {
			delete(m.known, t.Sock)
			m.open.Dec()
		}
	}
}

// endregion metrics

func (m *Metrics) add(sock uint64, side string, dst netip.AddrPort) {
	m.known[sock] = struct{}{}
	m.open.Inc()
	m.opened.WithLabelValues(side, m.dst.Value(dst.String())).Inc()
}

// region bounded
// Bounded lets the first limit values through as they are; every later one is "other".
type Bounded struct {
	mutex sync.Mutex
	limit int
	seen  map[string]struct{}
}

func NewBounded(limit int) *Bounded {
	return &Bounded{limit: limit, seen: map[string]struct{}{}}
}

// Value is what to use as the label. The same answer for the same value, always.
func (b *Bounded) Value(value string) string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if _, old := b.seen[value]; old {
		return value
	}
	if len(b.seen) == b.limit {
		return "other"
	}
	b.seen[value] = struct{}{}
	return value
}

// endregion bounded
