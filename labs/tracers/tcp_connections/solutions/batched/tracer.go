package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

// The program wakes the reader only when a quarter of the ring is full. Else it comes by itself, or for a scrape, which
// is much cheaper than to be woken for each record.
const (
	wakePart = 4
	pause    = 200 * time.Millisecond
)

// The order of enum counter in tcp.bpf.c.
const (
	lost uint32 = iota
	untracked
)

// tracer is the attached program. Nothing is pinned, so it ends with this process in any case.
type tracer struct {
	objects bpfObjects
	reader  *ringbuf.Reader
	link    link.Link

	draining sync.Mutex    // one drain at a time
	drained  chan struct{} // from each to drain; closed when each has ended
}

func attach(ringBytes uint32) (_ *tracer, err error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	spec.Maps[bpfMapEvents].MaxEntries = ringBytes
	if err := spec.Variables[bpfVarWakeBytes].Set(ringBytes / wakePart); err != nil {
		return nil, err
	}
	t := &tracer{drained: make(chan struct{})}
	if err := spec.LoadAndAssign(&t.objects, nil); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if t.reader, err = ringbuf.NewReader(t.objects.Events); err != nil {
		t.Close()
		return nil, fmt.Errorf("open the ring buffer: %w", err)
	}
	if t.link, err = link.AttachTracing(link.TracingOptions{Program: t.objects.OnState}); err != nil {
		t.Close()
		return nil, fmt.Errorf("attach: %w", err)
	}
	return t, nil
}

// Close detaches first. A call of each ends.
func (t *tracer) Close() {
	if t.link != nil {
		t.link.Close()
	}
	if t.reader != nil {
		t.reader.Close()
	}
	t.objects.Close()
}

// each calls take for every record until the tracer is closed. To be called once.
func (t *tracer) each(take func(bpfEvent)) error {
	var (
		record ringbuf.Record
		event  bpfEvent
	)
	defer close(t.drained)
	t.reader.SetDeadline(time.Now().Add(pause))
	for {
		err := t.reader.ReadInto(&record)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // comes when the ring is empty
			t.reader.SetDeadline(time.Now().Add(pause))
			continue
		case errors.Is(err, ringbuf.ErrFlushed): // the same, when drain asked for it
			t.drained <- struct{}{}
			continue
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("read the ring buffer: %w", err)
		}
		if _, err := binary.Decode(record.RawSample, binary.NativeEndian, &event); err != nil {
			return fmt.Errorf("a record of %d bytes: %w", len(record.RawSample), err)
		}
		take(event)
	}
}

// drain returns when each has taken every record of what happened before the call.
func (t *tracer) drain() error {
	t.draining.Lock()
	defer t.draining.Unlock()
	if err := t.reader.Flush(); err != nil {
		return err
	}
	<-t.drained
	return nil
}

// count is one of the program's own counters: the sum over the CPUs.
func (t *tracer) count(counter uint32) (uint64, error) {
	var each []uint64
	if err := t.objects.Counters.Lookup(counter, &each); err != nil {
		return 0, err
	}
	var sum uint64
	for _, n := range each {
		sum += n
	}
	return sum, nil
}

// missed is how often the kernel skipped the program because it was running already.
func (t *tracer) missed() (uint64, error) {
	stats, err := t.objects.OnState.Stats()
	if err != nil {
		return 0, err
	}
	return stats.RecursionMisses, nil
}
