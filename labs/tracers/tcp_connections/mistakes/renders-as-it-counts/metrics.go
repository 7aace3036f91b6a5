package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	model "github.com/prometheus/client_model/go"
)

var (
	// in the order of enum kind
	states = []string{"syn_sent", "established", "accepted"}
	// in the order of enum reason
	reasons = []string{"refused", "timeout", "reset", "local", "remote", "aborted"}
)

const closed = 3

// counters is fed by one goroutine; the vectors may be read by others at the same time.
type counters struct {
	opened, closed      *prometheus.CounterVec
	destinations, ports *bounded
	registry            *prometheus.Registry
	page                []*model.MetricFamily
}

func newCounters() *counters {
	return &counters{
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tcp_conn_total",
			Help: "TCP connections by what became of them and where they lead.",
		}, []string{"state", "dst"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tcp_conn_closed_total",
			Help: "TCP connections that ended, by why they did and their local port.",
		}, []string{"reason", "src_port"}),
		destinations: newBounded(mostDestinations),
		ports:        newBounded(mostPorts),
	}
}

// add counts one event; one of an unknown kind is none of ours.
func (c *counters) add(event bpfEvent) {
	switch {
	case int(event.Kind) < len(states):
		dst := c.destinations.label(destination(event.Addr, event.Port))
		c.opened.WithLabelValues(states[event.Kind], dst).Inc()
	case event.Kind == closed && int(event.Reason) < len(reasons):
		c.closed.WithLabelValues(reasons[event.Reason], c.sourcePort(event.Port)).Inc()
	}
	if event.Kind == closed && reasons[event.Reason] == "local" {
		c.page, _ = c.registry.Gather()
	}
}

// handler serves the counters, and what lost() gives at that moment.
func (c *counters) handler(lost func() float64) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.opened, c.closed, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tcp_tracer_lost_total",
		Help: "Events that found no room in the ring buffer.",
	}, lost))
	c.registry = registry
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}
