// States follows the states of TCP sockets:
//
//	states serve   counters at http://127.0.0.1:9400/metrics, until SIGTERM
//	states life    the states that the two ends of some connections go through
//	states lost    what happens when nobody reads
//	states cost    nanoseconds for each event, as the kernel counts them
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// region serve
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	tracer, err := Attach(1<<20, send)
	if err != nil {
		return err
	}
	defer tracer.Close()
	registry := prometheus.NewRegistry()
	metrics := NewMetrics(registry, func() float64 {
		n, _ := tracer.Count(lost) // fails only when the map is gone
		return float64(n)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Addr: "127.0.0.1:9400", Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	failed := make(chan error, 2)
	go func() { failed <- tracer.Each(metrics.Take) }()
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	tracer.Close() // no new events; Each returns
	last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(last))
}

// endregion serve

func main() {
	commands := map[string]func() error{"serve": serve, "life": life, "lost": lose, "cost": cost}
	var command func() error
	if len(os.Args) == 2 {
		command = commands[os.Args[1]]
	}
	if command == nil {
		fmt.Fprintln(os.Stderr, "states serve|life|lost|cost")
		os.Exit(2)
	}
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "states:", err)
		os.Exit(1)
	}
}
