package main

import (
	"bytes"
	"net/netip"
	"time"
)

const (
	patience      = moment(5 * time.Second)  // for bytes that are missing, and for a ServerHello
	lingering     = moment(90 * time.Second) // how long a closed connection is known, for what comes late
	mostHeld      = 4 << 20                  // bytes that came too early: of one connection,
	mostHeldInAll = 20 << 20                 // and of all
	mostConns     = 40_000
	mostEarly     = 64 << 10 // bytes of a server before the client has said what it speaks
)

// ends are the two of a connection, the client's first.
type ends struct{ client, server netip.AddrPort }

type phase uint8

const (
	opening phase = iota // the client has not yet said what it speaks
	speaksHTTP2
	speaksTLS
	finished // nothing of it is decoded any more
)

type connection struct {
	id     uint64
	target *target
	phase  phase
	last   moment // when something of it passed
	closed bool

	client, server stream
	held           int     // bytes in both streams that came too early
	opened         []byte  // the client's first bytes, while opening
	early          []piece // the server's meanwhile
	earlyBytes     int

	http2 *http2Connection
	tls   *tlsConnection
}

// tracker knows the connections, and gives what they say to their targets. It belongs to one goroutine at a time.
type tracker struct {
	targets     *targets
	connections map[ends]*connection
	unsettled   map[*connection]struct{} // those for which something happens when nothing comes
	held        int
	ids         uint64
}

func newTracker(t *targets) *tracker {
	return &tracker{
		targets: t, connections: map[ends]*connection{}, unsettled: map[*connection]struct{}{},
	}
}

// take works a segment in.
func (t *tracker) take(s *segment) {
	c, fromClient := t.find(s)
	if c == nil {
		return
	}
	c.last = s.at
	from, to := &c.server, &c.client
	deliver := t.fromServer
	if fromClient {
		from, to = to, from
		deliver = t.fromClient
	}
	if c.phase != finished && s.flags&flagACK != 0 && s.flags&flagRST == 0 {
		to.begin(s.ack) // of use only if this end's SYN was not seen
		to.exists(s.ack, s.at)
	}
	seq := s.seq
	if s.flags&flagSYN != 0 {
		seq++
	}
	if c.phase != finished && len(s.data) > 0 {
		change := from.add(piece{seq, s.data, s.at}, func(data []byte, at moment) { deliver(c, data, at) })
		if c.phase != finished {
			c.held += change
			t.held += change
			if c.held > mostHeld || t.held > mostHeldInAll {
				t.giveUp(c, "gap")
			}
		}
	}
	if s.flags&(flagFIN|flagRST) != 0 {
		from.end(seq + uint32(len(s.data)))
		if s.flags&flagFIN != 0 {
			from.exists(seq+uint32(len(s.data)), s.at)
		}
		c.closed = c.closed || s.flags&flagRST != 0 || to.ended
	}
	t.settle(c, s.at)
}

// find is the connection of a segment; there is a new one if it begins one.
func (t *tracker) find(s *segment) (c *connection, fromClient bool) {
	forward, backward := ends{s.source, s.target}, ends{s.target, s.source}
	switch s.flags & (flagSYN | flagACK) {
	case flagSYN:
		c = t.connections[forward]
		if c == nil || !c.client.begun || c.client.first != s.seq+1 { // else it is sent again
			t.forget(backward)
			c = t.open(forward)
			c.client.begin(s.seq + 1)
		}
		return c, true
	case flagSYN | flagACK:
		c = t.connections[backward]
		// data in the SYN is acknowledged as well
		if c == nil || !c.client.begun || s.ack-c.client.first > 1<<16 {
			t.forget(forward)
			c = t.open(backward)
			c.client.begin(s.ack)
		}
		c.server.begin(s.seq + 1)
		return c, false
	}
	if c = t.connections[forward]; c != nil {
		return c, true
	}
	if c = t.connections[backward]; c != nil {
		return c, false
	}
	if len(s.data) == 0 {
		return nil, false
	}
	// It stood before us. Clients are on this side of the device; on loopback, where nothing is outgoing here, the
	// smaller port is likely the server's. The filter thinks the same.
	fromClient = s.outgoing || t.targets.loopback && s.source.Port() > s.target.Port()
	if !fromClient {
		forward = backward
	}
	c = t.open(forward)
	t.giveUp(c, "midstream")
	return c, fromClient
}

func (t *tracker) open(e ends) *connection {
	t.forget(e)
	if len(t.connections) >= mostConns {
		t.sweep(now())
	}
	t.ids++
	c := &connection{id: t.ids, target: t.targets.of(e.server)}
	t.connections[e] = c
	return c
}

func (t *tracker) forget(e ends) {
	if c := t.connections[e]; c != nil {
		t.finish(c)
		delete(t.connections, e)
	}
}

// sweep forgets connections that closed some time ago and, when there are too many, those that are idle longest.
func (t *tracker) sweep(at moment) {
	for e, c := range t.connections {
		if c.closed && c.last < at-lingering {
			t.forget(e)
		}
	}
	for idle := lingering; len(t.connections) > mostConns*3/4; idle /= 2 {
		for e, c := range t.connections {
			if c.last <= at-idle {
				t.forget(e)
			}
		}
	}
}

func (t *tracker) giveUp(c *connection, reason string) {
	if c.phase != finished {
		c.target.undecodable[reason]++
		t.finish(c)
	}
}

// finish frees what is needed for decoding only.
func (t *tracker) finish(c *connection) {
	c.phase = finished
	t.held -= c.held
	c.held = 0
	c.client.held, c.server.held, c.opened, c.early = nil, nil, nil, nil
	c.http2, c.tls = nil, nil
	delete(t.unsettled, c)
}

var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

const prefaceTells = len("PRI * HTTP/2.0")

func (t *tracker) fromClient(c *connection, data []byte, at moment) {
	switch c.phase {
	case speaksHTTP2:
		if c.http2.client.read(data, at) != nil {
			t.giveUp(c, "gap")
		}
	case speaksTLS:
		c.tls.fromClient(data, at)
	case opening:
		c.opened = append(c.opened, data...)
		opened := c.opened
		switch {
		case bytes.HasPrefix(opened, preface[:prefaceTells]):
			if len(opened) < len(preface) {
				return
			}
			if !bytes.HasPrefix(opened, preface) {
				t.giveUp(c, "gap")
				return
			}
			c.phase, c.http2 = speaksHTTP2, newHTTP2Connection(c)
			opened = opened[len(preface):]
		case bytes.HasPrefix(preface, opened):
			return
		case isClientHello(opened):
			c.phase, c.tls = speaksTLS, newTLSConnection(c.target)
		case mayBeClientHello(opened):
			return
		default:
			t.finish(c)
			return
		}
		early := c.early
		c.opened, c.early = nil, nil
		t.fromClient(c, opened, at)
		for _, p := range early {
			t.fromServer(c, p.data, p.at)
		}
	}
}

func (t *tracker) fromServer(c *connection, data []byte, at moment) {
	switch c.phase {
	case speaksHTTP2:
		if c.http2.server.read(data, at) != nil {
			t.giveUp(c, "gap")
		}
	case speaksTLS:
		c.tls.fromServer(data, at)
	case opening: // a server of HTTP/2 need not wait for the client to speak
		if c.earlyBytes += len(data); c.earlyBytes > mostEarly {
			t.finish(c)
			return
		}
		c.early = append(c.early, piece{data: bytes.Clone(data), at: at})
	}
}

// settle looks whether a connection is waiting too long for something, or need not be waited for.
func (t *tracker) settle(c *connection, at moment) {
	if c.phase == finished {
		return
	}
	waiting := false
	for _, s := range []*stream{&c.client, &c.server} {
		if since, missing := s.missingSince(); missing {
			waiting = true
			if at-since > patience {
				t.giveUp(c, "gap")
				return
			}
		}
	}
	if c.phase == speaksTLS {
		_, missing := c.server.missingSince()
		reset := c.client.ended && c.closed && c.client.over()
		if !missing {
			c.tls.wait(at, c.server.over() || reset)
		}
		if c.tls.done() {
			t.finish(c)
			return
		}
		waiting = waiting || c.tls.waiting()
	}
	if waiting {
		t.unsettled[c] = struct{}{}
	} else {
		delete(t.unsettled, c)
	}
}

// tick is to be called now and then, when all packets that are there have been taken.
func (t *tracker) tick(at moment) {
	for c := range t.unsettled {
		t.settle(c, at)
	}
}
