package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

const (
	fin, syn, rst, ack = 1, 2, 4, 16
	patience           = 5 * time.Second
)

type ends struct{ from, to netip.AddrPort }

func (e ends) turned() ends { return ends{e.to, e.from} }

// flow is one direction of a connection.
type flow struct {
	ends
	conn    *conn
	next    uint32
	started bool
	ended   bool
	waiting map[uint32][]byte // what came too early, by its number
	missing time.Time         // since when something lacks
	buffer  []byte
	framer  *framer
	opaque  bool
}

// conn is both directions. `state` says what the client speaks.
type conn struct {
	dst   string
	flows [2]*flow // client's, server's
	state string   // "", http2, tls, other, lost
	hello time.Time
	tls   string // the version that was agreed on
	told  bool
	over  time.Time
}

// mesh is all that is known; the lock is for everything.
type mesh struct {
	sync.Mutex
	watched func(netip.Addr) bool
	page    *page
	teller  *teller
	flows   map[ends]*flow
	judge   *judge
	boot    time.Time
}

func newMesh(watched func(netip.Addr) bool, page *page, teller *teller) *mesh {
	return &mesh{
		watched: watched, page: page, teller: teller,
		flows: map[ends]*flow{}, judge: newJudge(page, teller), boot: bootTime(),
	}
}

func address(ip, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip)), binary.BigEndian.Uint16(port))
}

// piece takes a record of the ring: see struct piece.
func (m *mesh) piece(b []byte) {
	m.Lock()
	defer m.Unlock()
	at := m.boot.Add(time.Duration(binary.NativeEndian.Uint64(b)))
	e := ends{address(b[8:12], b[16:18]), address(b[12:16], b[18:20])}
	sequence, length, flags := binary.NativeEndian.Uint32(b[20:]), binary.NativeEndian.Uint16(b[24:]), b[26]
	data := b[27 : 27+length]
	if flags&syn != 0 && flags&ack == 0 {
		m.open(e, sequence, at)
		return
	}
	f := m.flows[e]
	if f == nil {
		if len(data) > 0 {
			m.missed(e)
		}
		return
	}
	if flags&syn != 0 {
		f.start(sequence + 1)
		return
	}
	m.take(f, sequence, data, at)
	if flags&fin != 0 {
		f.ended = true
	}
	if flags&rst != 0 || f.conn.flows[0].ended && f.conn.flows[1].ended {
		m.close(f.conn, at)
	}
}

func (m *mesh) add(e ends, state string) *conn {
	c := &conn{dst: e.to.String(), state: state}
	c.flows = [2]*flow{{ends: e, conn: c}, {ends: e.turned(), conn: c}}
	for _, f := range c.flows {
		f.waiting = map[uint32][]byte{}
		m.flows[f.ends] = f
	}
	return c
}

func (m *mesh) open(e ends, sequence uint32, at time.Time) {
	if known := m.flows[e]; known != nil && known.conn.over.IsZero() && known.conn.flows[0].ends == e && known.started {
		return // a SYN once more
	}
	state := ""
	if !m.watched(e.to.Addr()) {
		state = "lost" // its client is watched: nothing of it counts, and it is not to be taken for a lost one
	}
	m.add(e, state).flows[0].start(sequence + 1)
}

// missed is data of a connection whose SYN nobody saw; its server is the end that is watched.
func (m *mesh) missed(e ends) {
	if !m.watched(e.to.Addr()) {
		e = e.turned()
	}
	if m.watched(e.to.Addr()) {
		m.lose(m.add(e, ""), "midstream")
	}
}

func (m *mesh) lose(c *conn, reason string) {
	if c.state != "lost" {
		c.state, c.hello = "lost", time.Time{}
		m.page.add("mesh_undecodable_connections_total", "dst", c.dst, "reason", reason)
	}
}

func (f *flow) start(next uint32) {
	if !f.started {
		f.started, f.next = true, next
	}
}

// take puts a piece in its place, and what follows it.
func (m *mesh) take(f *flow, sequence uint32, data []byte, at time.Time) {
	if len(data) == 0 || f.conn.state == "lost" {
		return
	}
	if !f.started {
		m.lose(f.conn, "midstream")
		return
	}
	// a shorter one may come again: its receiver has the rest already, which never does
	if len(data) > len(f.waiting[sequence]) {
		f.waiting[sequence] = bytes.Clone(data)
	}
	for again := true; again && len(f.waiting) > 0; {
		again = false
		for number, held := range f.waiting {
			early := int32(number - f.next)
			if early > 0 {
				continue
			}
			delete(f.waiting, number)
			again = true
			if fresh := int(-early); fresh < len(held) {
				f.next += uint32(len(held) - fresh)
				m.bytes(f, held[fresh:], at)
			}
		}
	}
	switch {
	case len(f.waiting) == 0:
		f.missing = time.Time{}
	case f.missing.IsZero():
		f.missing = at
	}
}

// bytes takes what comes next in order.
func (m *mesh) bytes(f *flow, data []byte, at time.Time) {
	c := f.conn
	fromClient := f == c.flows[0]
	if c.state == "" {
		f.buffer = append(f.buffer, data...)
		if !fromClient {
			return // its turn comes when the client has said what it speaks
		}
		c.state, data = speaks(f.buffer), f.buffer
		if c.state == "" {
			return
		}
		f.buffer = nil
		if c.state == "http2" {
			data = data[len(http2.ClientPreface):]
		}
		early := c.flows[1].buffer
		c.flows[1].buffer = nil
		m.speak(c.flows[1], early, at)
	}
	m.speak(f, data, at)
}

// speak takes bytes of what is known to be HTTP/2, TLS, or neither.
func (m *mesh) speak(f *flow, data []byte, at time.Time) {
	c := f.conn
	switch c.state {
	case "http2":
		if f.framer == nil {
			f.framer = newFramer()
		}
		if f.framer.feed(data, func(frame http2.Frame) { m.judge.frame(f, frame, at) }) != nil {
			m.lose(c, "gap")
		}
	case "tls":
		m.judge.records(f, data, at)
	}
}

// speaks is "" while the bytes are too few to say.
func speaks(b []byte) string {
	n := min(len(b), len(http2.ClientPreface))
	switch {
	case string(b[:n]) == http2.ClientPreface:
		return "http2"
	case strings.HasPrefix(http2.ClientPreface, string(b[:n])):
		return ""
	case b[0] == 22 && len(b) < 2:
		return ""
	case b[0] == 22 && b[1] == 3:
		return "tls"
	}
	return "other"
}

func (m *mesh) close(c *conn, at time.Time) {
	if c.over.IsZero() {
		c.over = at
		m.judge.unanswered(c)
	}
}

// round takes a record of the other ring: see struct round.
func (m *mesh) round(b []byte) {
	m.Lock()
	defer m.Unlock()
	f := m.flows[ends{address(b[0:4], b[8:10]), address(b[4:8], b[10:12])}]
	if f != nil && m.watched(f.conn.flows[0].to.Addr()) {
		m.judge.round(f.conn.dst, binary.NativeEndian.Uint32(b[12:]))
	}
}

// look is for what does not happen.
func (m *mesh) look(ctx context.Context) {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			m.Lock()
			for e, f := range m.flows {
				c := f.conn
				if !c.hello.IsZero() && now.Sub(c.hello) > patience {
					m.judge.unanswered(c)
				}
				if !f.missing.IsZero() && now.Sub(f.missing) > patience {
					m.lose(c, "gap")
				}
				if !c.over.IsZero() && now.Sub(c.over) > patience {
					delete(m.flows, e)
				}
			}
			m.judge.cease(now)
			m.Unlock()
		}
	}
}
