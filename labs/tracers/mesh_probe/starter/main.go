// A probe of a service mesh. So far it loads, and serves a page with nothing on it.
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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	_ "golang.org/x/net/http2/hpack" // hpack.NewDecoder: one for each direction of a connection
	_ "golang.org/x/sys/unix"        // unix.Socket(unix.AF_PACKET, …), unix.SO_ATTACH_BPF
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

	// TODO: PROBE_CIDRS into objects.Watched, a packet socket on PROBE_INTERFACE, and a goroutine that reads it.

	registry := prometheus.NewRegistry()
	// TODO: registry.MustRegister(...)
	listener, err := net.Listen("tcp", "127.0.0.1:9436")
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
