// A tracer of TCP connections: counted in the kernel's own words, served to Prometheus.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	address          = "127.0.0.1:9435"
	defaultRingBytes = 1 << 16
)

func main() {
	if err := run(); err != nil {
		log.Fatalf("%+v", err) // %+v has the whole log of the verifier
	}
}

func run() error {
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	ringBytes, err := ringBytes(os.Getenv("RING_BYTES"))
	if err != nil {
		return err
	}
	tracer, err := attach(ringBytes)
	if err != nil {
		return err
	}
	defer tracer.Close()

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	counters := newCounters()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", counters.handler(tracer.lost))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	ended := make(chan error, 2)
	go func() { ended <- tracer.follow(counters.add) }()
	go func() { ended <- server.Serve(listener) }()
	select {
	case <-stopped.Done():
		return server.Close()
	case err := <-ended:
		return errors.Join(errors.New("ended by itself"), err)
	}
}

// ringBytes is the size of the ring buffer; the kernel itself refuses one that is no power of two.
func ringBytes(text string) (uint32, error) {
	if text == "" {
		return defaultRingBytes, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("RING_BYTES: %w", err)
	}
	return uint32(n), nil
}
