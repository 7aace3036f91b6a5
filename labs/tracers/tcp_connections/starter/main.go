// A tracer of TCP connections. So far it loads, attaches, and serves a page with nothing on it.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	if err := run(); err != nil {
		log.Fatalf("%+v", err) // %+v has the whole log of the verifier
	}
}

func run() error {
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	var objects bpfObjects
	if err := loadBpfObjects(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	tracepoint, err := link.Tracepoint("sock", "inet_sock_set_state", objects.SetState, nil)
	if err != nil {
		return err
	}
	defer tracepoint.Close()

	// TODO: ringbuf.NewReader(objects.Events), and a goroutine that reads it and counts.

	registry := prometheus.NewRegistry()
	// TODO: registry.MustRegister(...)
	listener, err := net.Listen("tcp", "127.0.0.1:9435")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case <-stopped.Done():
		return server.Close()
	case err := <-ended:
		return err
	}
}
