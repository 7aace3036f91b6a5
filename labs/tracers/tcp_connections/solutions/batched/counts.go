package main

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"sync"
)

// The order of enum counted in event.h: the states, then the ways to end.
var (
	states  = []string{"syn_sent", "established", "accepted"}
	reasons = []string{"timeout", "refused", "reset", "aborted", "local", "remote"}
)

const (
	maxAddresses = 100
	maxPorts     = 64

	other          = "other"
	ephemeral      = "ephemeral"
	firstEphemeral = 32768
)

// bounded lets the first values through, up to its limit, and says no to every later one. Its answer for a value never
// changes, so that no series ever stops.
type bounded[T comparable] struct {
	limit int
	names map[T]string
}

func (b *bounded[T]) name(value T, write func(T) string) string {
	name, known := b.names[value]
	switch {
	case known:
		return name
	case len(b.names) == b.limit:
		return other
	}
	name = write(value)
	b.names[value] = name
	return name
}

// series is one set of label values: the state or reason, and the address or port.
type series struct{ what, where string }

// counts are filled by one goroutine and may be read by others.
type counts struct {
	mutex     sync.Mutex
	opened    map[series]uint64
	closed    map[series]uint64
	addresses bounded[netip.AddrPort]
	ports     bounded[uint16]
}

func newCounts() *counts {
	return &counts{
		opened:    map[series]uint64{},
		closed:    map[series]uint64{},
		addresses: bounded[netip.AddrPort]{maxAddresses, map[netip.AddrPort]string{}},
		ports:     bounded[uint16]{maxPorts, map[uint16]string{}},
	}
}

func (c *counts) add(event bpfEvent) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if int(event.Counted) < len(states) {
		address := netip.AddrPortFrom(netip.AddrFrom16(event.Addr).Unmap(), event.Port)
		c.opened[series{states[event.Counted], c.addresses.name(address, netip.AddrPort.String)}]++
		return
	}
	port := ephemeral
	if event.Port < firstEphemeral {
		port = c.ports.name(event.Port, func(port uint16) string { return strconv.Itoa(int(port)) })
	}
	c.closed[series{reasons[int(event.Counted)-len(states)], port}]++
}

type sample struct {
	series
	count uint64
}

// read is a copy of both families as they are at one moment, sorted.
func (c *counts) read() (opened, closed []sample) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return sorted(c.opened), sorted(c.closed)
}

func sorted(family map[series]uint64) []sample {
	samples := make([]sample, 0, len(family))
	for s, count := range family {
		samples = append(samples, sample{s, count})
	}
	slices.SortFunc(samples, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.what, b.what), cmp.Compare(a.where, b.where))
	})
	return samples
}
