// A probe of a service mesh. It watches the pods of a node from outside: packets of their connections by a socket
// with a ring, round trips in the kernel, TLS alerts by uprobe; and tells what it sees on /metrics and to a webhook.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

const (
	address    = "127.0.0.1:9436"
	rest       = 250 * time.Millisecond // at most between two looks
	sweepEvery = moment(10 * time.Second)
	// The limit is 128 MiB, of which the ring of packets takes 32.
	heapLimit = 72 << 20
)

func main() {
	if err := run(); err != nil {
		log.Fatalf("%+v", err) // %+v has the whole log of the verifier
	}
}

// probe is everything that a scrape and the goroutine that reads packets share.
type probe struct {
	objects bpfObjects
	capture *capture
	samples *ringbuf.Reader
	webhook *webhook

	mutex       sync.Mutex // of what follows
	targets     *targets
	tracker     *tracker
	packetsLost uint64
}

func run() (err error) {
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	debug.SetMemoryLimit(heapLimit)
	config, err := readConfig()
	if err != nil {
		return err
	}
	nic, err := net.InterfaceByName(config.device)
	if err != nil {
		return fmt.Errorf("PROBE_INTERFACE %s: %w", config.device, err)
	}
	loopback := nic.Flags&net.FlagLoopback != 0

	p := &probe{webhook: newWebhook(config.webhook)}
	p.targets = newTargets(config.window, loopback, p.webhook.tell)
	p.tracker = newTracker(p.targets)
	if err := p.load(config, loopback); err != nil {
		return err
	}
	defer p.objects.Close()
	tracing, err := link.AttachTracing(link.TracingOptions{Program: p.objects.RoundTrip})
	if err != nil {
		return fmt.Errorf("tcp_rcv_established: %w", err)
	}
	defer tracing.Close()
	if config.tlsBinary != "" {
		alerts, err := p.watchAlerts(config.tlsBinary)
		if err != nil {
			return fmt.Errorf("PROBE_TLS_BINARY: %w", err)
		}
		defer alerts.Close()
	}
	p.samples, err = ringbuf.NewReader(p.objects.Samples)
	if err != nil {
		return err
	}
	defer p.samples.Close()
	p.capture, err = openCapture(config.device, p.objects.Capture)
	if err != nil {
		return err
	}
	defer p.capture.close()

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", p.servePage)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	running, end := context.WithCancelCause(stopped)
	defer end(nil)
	var goroutines sync.WaitGroup
	goroutines.Go(func() { end(server.Serve(listener)) })
	goroutines.Go(func() { end(p.watch(running)) })
	goroutines.Go(func() { p.webhook.run(running) })
	<-running.Done()
	// not Close alone: a scrape that is being answered still reads from the kernel
	ending, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(ending) != nil {
		server.Close()
	}
	goroutines.Wait()
	if stopped.Err() != nil {
		return nil // as it should be
	}
	return context.Cause(running)
}

// load brings the programs and the list of networks into the kernel.
func (p *probe) load(config config, loopback bool) error {
	spec, err := loadBpf()
	if err != nil {
		return err
	}
	if err := spec.Variables["loopback"].Set(loopback); err != nil {
		return err
	}
	networks := spec.Maps["watched"]
	networks.MaxEntries = max(networks.MaxEntries, uint32(len(config.networks)))
	if err := spec.LoadAndAssign(&p.objects, nil); err != nil {
		return err
	}
	for network, watched := range config.networks {
		key := bpfPrefix{Bits: uint32(network.Bits()), Address: network.Addr().As4()}
		value := uint32(0)
		if watched {
			value = 1
		}
		if err := p.objects.Watched.Put(key, value); err != nil {
			return fmt.Errorf("network %s: %w", network, err)
		}
	}
	return nil
}

func (p *probe) watchAlerts(path string) (link.Link, error) {
	executable, err := link.OpenExecutable(path)
	if err != nil {
		return nil, err
	}
	return executable.Uprobe("crypto/tls.(*Conn).sendAlert", p.objects.AlertSent, nil)
}

// watch works in what the kernel has to tell, until the context ends.
func (p *probe) watch(running context.Context) error {
	swept := now()
	for running.Err() == nil {
		if err := p.capture.wait(rest); err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		if err := p.read(running); err != nil {
			return err
		}
		at := now()
		lost := p.capture.lost()
		p.mutex.Lock()
		p.packetsLost += lost
		p.tracker.tick(at)
		p.targets.tick(at)
		if at-swept > sweepEvery {
			p.tracker.sweep(at)
			swept = at
		}
		p.mutex.Unlock()
	}
	return nil
}

// read takes what the kernel has handed over. It may be called by several goroutines.
func (p *probe) read(running context.Context) error {
	p.readPackets(running)
	return p.readSamples()
}

// readPackets takes what is there. The mutex is held for a block at a time, so that a flood does not keep a scrape out.
func (p *probe) readPackets(running context.Context) {
	for more := true; more && running.Err() == nil; {
		p.mutex.Lock()
		more = p.capture.read(p.tracker.take)
		p.mutex.Unlock()
	}
}

// readSamples takes the round trips that are there.
func (p *probe) readSamples() error {
	if p.samples.AvailableBytes() == 0 {
		return nil
	}
	const size = 12 // struct rtt_sample
	p.mutex.Lock()
	defer p.mutex.Unlock()
	at := now()
	p.samples.SetDeadline(time.Now())
	var record ringbuf.Record
	for {
		err := p.samples.ReadInto(&record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("samples: %w", err)
		}
		if b := record.RawSample; len(b) >= size {
			server := netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[4:]))
			p.targets.of(server).roundTrip(binary.NativeEndian.Uint32(b[8:]), at)
		}
	}
}
