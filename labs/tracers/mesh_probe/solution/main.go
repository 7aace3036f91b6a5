// A probe of a service mesh: it reads the wire, and tells what went wrong.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const address = "127.0.0.1:9436"

func main() {
	if err := run(); err != nil {
		log.Fatalf("%+v", err) // %+v has the whole log of the verifier
	}
}

func run() error {
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	c, err := readConfig()
	if err != nil {
		return err
	}
	k, err := load(c)
	if err != nil {
		return err
	}
	defer k.Close()
	capture, err := listen(c.device, k.objects.ByAddress)
	if err != nil {
		return err
	}
	defer capture.stop()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	m := newMetrics()
	h := newHook(c, m)
	p := newProbe(c, m, h)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler(current{p, k}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	ended := make(chan error, 3)
	go func() { ended <- capture.follow(p.take) }()
	go func() { ended <- k.follow(p.sample) }()
	go func() { ended <- server.Serve(listener) }()
	go h.follow(stopped)
	ticks := time.NewTicker(ticksEvery)
	defer ticks.Stop()
	for {
		select {
		case <-stopped.Done():
			return server.Close()
		case now := <-ticks.C:
			p.tick(now)
		case err := <-ended:
			return errors.Join(errors.New("ended by itself"), err)
		}
	}
}
