package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are named and labelled as controller-runtime's are, so that dashboards made for those fit.
type metrics struct {
	registry   *prometheus.Registry
	reconciles *prometheus.CounterVec
	errors     prometheus.Counter
}

func newMetrics() *metrics {
	labels := prometheus.Labels{"controller": "database"}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		reconciles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name:        "controller_runtime_reconcile_total",
			Help:        "Total number of reconciliations per controller",
			ConstLabels: labels,
		}, []string{"result"}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name:        "controller_runtime_reconcile_errors_total",
			Help:        "Total number of reconciliation errors per controller",
			ConstLabels: labels,
		}),
	}
	for _, result := range []string{"success", "requeue", "error"} {
		m.reconciles.WithLabelValues(result) // a counter that is there from the start has a rate from the start
	}
	m.registry.MustRegister(m.reconciles, m.errors, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) count(result string) {
	m.reconciles.WithLabelValues(result).Inc()
	if result == "error" {
		m.errors.Inc()
	}
}

// serve returns once the address is taken; the server ends with ctx.
func (m *metrics) serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return nil
}
