package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

//go:generate go tool bpf2go -go-package main -target amd64 -type event states states.bpf.c -- -O2 -g -mcpu=v3 -I../headers

// Transition is one change of one socket's state.
type Transition struct {
	Sock          uint64
	Local, Remote netip.AddrPort
	From, To      State
}

// Tracer is the attached program. Events wait in the ring buffer until Read takes them.
type Tracer struct {
	objects statesObjects
	link    link.Link
	events  *ringbuf.Reader
}

// region attach
// Attach loads the program and starts it. ringBytes is a power of two and a multiple of the page size.
func Attach(ringBytes uint32, effort uint32) (*Tracer, error) {
	spec, err := loadStates()
	if err != nil {
		return nil, err
	}
	spec.Maps["events"].MaxEntries = ringBytes
	if err := spec.Variables["effort"].Set(effort); err != nil {
		return nil, err
	}
	t := &Tracer{}
	if err := spec.LoadAndAssign(&t.objects, nil); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if t.events, err = ringbuf.NewReader(t.objects.Events); err != nil {
		t.Close()
		return nil, err
	}
	// last: from here on events come
	if t.link, err = link.Tracepoint("sock", "inet_sock_set_state", t.objects.OnState, nil); err != nil {
		t.Close()
		return nil, fmt.Errorf("attach: %w", err)
	}
	return t, nil
}

// endregion attach

// Close detaches; a Read that waits returns os.ErrClosed. It may be called twice.
func (t *Tracer) Close() {
	if t.link != nil {
		t.link.Close()
	}
	if t.events != nil {
		t.events.Close()
	}
	t.objects.Close()
}

// Read waits for the next transition. At the end: os.ErrClosed.
func (t *Tracer) Read(record *ringbuf.Record) (Transition, error) {
	if err := t.events.ReadInto(record); err != nil {
		return Transition{}, err
	}
	return decode(record.RawSample)
}

// The order of `enum counter` in states.bpf.c.
const (
	events uint32 = iota
	lost
)

// Count is one of the counters since the start: the sum over the CPUs.
func (t *Tracer) Count(counter uint32) (uint64, error) {
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

// Each calls take for every transition until the tracer is closed.
func (t *Tracer) Each(take func(Transition)) error {
	var record ringbuf.Record
	for {
		transition, err := t.Read(&record)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		take(transition)
	}
}
