package main

import (
	"net/netip"
	"strconv"
)

const (
	mostDestinations = 100
	mostPorts        = 64
	other            = "other"
)

// bounded lets through the first `most` values that it sees, and calls all others "other".
type bounded struct {
	most  int
	known map[string]bool
}

func newBounded(most int) *bounded { return &bounded{most, map[string]bool{}} }

func (b *bounded) label(value string) string {
	if b.known[value] {
		return value
	}
	if len(b.known) >= b.most {
		return other
	}
	b.known[value] = true
	return value
}

// destination is ip:port, where an IPv4 address that was mapped into IPv6 is IPv4 again.
func destination(address [16]byte, port uint16) string {
	return netip.AddrPortFrom(netip.AddrFrom16(address).Unmap(), port).String()
}

// sourcePort is the local port, or "ephemeral" for one that the kernel chose.
func (c *counters) sourcePort(port uint16) string {
	return c.ports.label(strconv.Itoa(int(port)))
}
