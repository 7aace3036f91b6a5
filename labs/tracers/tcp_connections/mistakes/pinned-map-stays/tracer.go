package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log"

	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

// tracer is the program in the kernel. Nothing of it is pinned: it goes with this process, however that ends.
type tracer struct {
	objects bpfObjects
	link    link.Link
	reader  *ringbuf.Reader
}

// attach loads and attaches, with a ring buffer of that many bytes.
func attach(ringBytes uint32) (*tracer, error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	spec.Maps["events"].MaxEntries = ringBytes
	t := &tracer{}
	if err := spec.LoadAndAssign(&t.objects, nil); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if err := t.objects.Connections.Pin("/sys/fs/bpf/connections"); err != nil {
		return nil, fmt.Errorf("pin: %w", err)
	}
	t.reader, err = ringbuf.NewReader(t.objects.Events)
	if err == nil {
		t.link, err = link.Tracepoint("sock", "inet_sock_set_state", t.objects.SetState, nil)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach: %w", err), t.Close())
	}
	return t, nil
}

// follow hands over every event until Close is called.
func (t *tracer) follow(add func(bpfEvent)) error {
	var record ringbuf.Record
	for {
		err := t.reader.ReadInto(&record)
		if errors.Is(err, ringbuf.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		var event bpfEvent
		if _, err := binary.Decode(record.RawSample, binary.LittleEndian, &event); err != nil {
			return err
		}
		add(event)
	}
}

// lost is how many events found no room so far, on all processors.
func (t *tracer) lost() float64 {
	var each []uint64
	if err := t.objects.Lost.Lookup(uint32(0), &each); err != nil {
		log.Printf("lost: %v", err)
	}
	sum := uint64(0)
	for _, n := range each {
		sum += n
	}
	return float64(sum)
}

// Close detaches before it takes the ring buffer away.
func (t *tracer) Close() error {
	var detached error
	if t.link != nil {
		detached = t.link.Close()
	}
	var read error
	if t.reader != nil {
		read = t.reader.Close()
	}
	return errors.Join(detached, read, t.objects.Close())
}
