// Command tcp_connections counts how the TCP connections of a machine begin and end, and serves the counts at
// http://127.0.0.1:9435/metrics.
//
// The environment variable RING_BYTES sets the size of the ring buffer between the kernel and this process.
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

func main() {
	if err := run(); err != nil {
		log.Fatalf("%+v", err) // %+v has the whole log of the verifier
	}
}

func ringBytes() (uint32, error) {
	const smallest, usual, largest = 1 << 12, 1 << 20, 1 << 24
	text := os.Getenv("RING_BYTES")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < smallest || n > largest || n&(n-1) != 0 {
		return 0, fmt.Errorf("RING_BYTES=%q is no power of two from %d to %d", text, smallest, largest)
	}
	return uint32(n), nil
}

// run listens last, so that whoever gets an answer can rely on being counted.
func run() error {
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	size, err := ringBytes()
	if err != nil {
		return err
	}
	tracer, err := attach(size)
	if err != nil {
		return err
	}
	defer tracer.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:9435")
	if err != nil {
		return err
	}
	defer listener.Close()

	counts := newCounts()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(counts, tracer))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- tracer.each(counts.add) }()
	go func() { ended <- server.Serve(listener) }()

	select {
	case err = <-ended: // neither ends by itself
	case <-stopped.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if shutdown := server.Shutdown(last); errors.Is(shutdown, context.DeadlineExceeded) {
		return errors.Join(err, server.Close()) // a client that does not read
	}
	return err
}
