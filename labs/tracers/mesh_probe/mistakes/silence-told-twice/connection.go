package main

import (
	"bytes"
	"net/netip"
	"time"

	"golang.org/x/net/http2"
)

const (
	helloWithin = 5 * time.Second
	gapWithin   = 5 * time.Second
	// how long a connection is remembered after its end, and one of which nothing is heard
	lingers, silent = 5 * time.Second, time.Hour
	preface         = http2.ClientPreface
	// what a server may say before its client does
	mostEarly = 64 << 10
)

type side int

const (
	client side = iota
	server
)

func (s side) String() string { return [...]string{"client", "server"}[s] }

// key is a connection by its ends.
type key struct{ client, server netip.AddrPort }

// connection is what the probe knows of one. Once it is given up, nothing of it is looked at any more.
type connection struct {
	key
	dst     string
	number  uint64
	orders  [2]order
	fins    [2]bool
	first   [2][]byte // what each side said, until the client's bytes tell the protocol
	taker   [2]func([]byte)
	givenUp bool
	ended   bool
	heard   time.Time
	hello   time.Time // of a ClientHello that nobody has answered
	version uint16    // of the ServerHello
	failed  bool
}

func newConnection(k key, number uint64) *connection {
	return &connection{key: k, dst: k.server.String(), number: number}
}

// segment takes one packet that side `from` sent.
func (p *probe) segment(c *connection, from side, packet *packet) {
	c.heard = packet.at
	o := &c.orders[from]
	if packet.has(synFlag) {
		o.begin(packet.seq + 1)
	}
	if len(packet.data) > 0 && !c.givenUp {
		if !o.begun { // the SYN of this side is not to be had any more
			p.giveUp(c, "midstream")
		} else if !o.add(packet, func(data []byte) { p.data(c, from, data) }) {
			p.giveUp(c, "gap")
		}
	}
	c.fins[from] = c.fins[from] || packet.has(finFlag)
	if packet.has(rstFlag) || c.fins[client] && c.fins[server] {
		p.end(c)
	}
}

// data takes bytes in order.
func (p *probe) data(c *connection, from side, data []byte) {
	if c.givenUp {
		return
	}
	if c.taker[from] == nil {
		p.recognise(c, from, data)
		return
	}
	c.taker[from](data)
}

// recognise waits for the client's first bytes. A server may speak before them: SETTINGS may be sent at once.
func (p *probe) recognise(c *connection, from side, data []byte) {
	c.first[from] = append(c.first[from], data...)
	said := c.first[client]
	isTLS := len(said) > 1 && said[0] == handshakeRecord && said[1] == 3
	isHTTP2 := bytes.HasPrefix(said, []byte(preface))
	switch {
	case isHTTP2:
		c.taker = p.http2(c)
	case isTLS:
		c.taker = p.tls(c)
	case len(said) >= len(preface) || len(c.first[server]) > mostEarly:
		ignore := func([]byte) {}
		c.taker = [2]func([]byte){ignore, ignore}
	default:
		return
	}
	first := c.first
	c.first = [2][]byte{}
	for side, take := range c.taker {
		if len(first[side]) > 0 {
			take(first[side])
		}
	}
}

func (p *probe) http2(c *connection) (takers [2]func([]byte)) {
	for _, from := range []side{client, server} {
		f := newFrames(0)
		if from == client {
			f = newFrames(len(preface))
		}
		f.status = func(_ uint32, status int) {
			if from == server && status >= 200 { // what is below comes before the answer
				p.answered(c.dst, status, c.heard)
			}
		}
		f.reset = func(stream uint32, code http2.ErrCode) { p.reset(c, from, stream, code) }
		takers[from] = func(data []byte) {
			if f.add(data) != nil {
				p.giveUp(c, "gap")
			}
		}
	}
	return takers
}

func (p *probe) tls(c *connection) (takers [2]func([]byte)) {
	for _, from := range []side{client, server} {
		r := &records{}
		r.hello = func(kind byte, body []byte) {
			switch {
			case kind == clientHello && from == client && c.version == 0:
				c.hello = c.heard
			case kind == serverHello && from == server:
				c.version, c.hello = negotiated(body), time.Time{}
			}
		}
		r.alerted = func(level, description byte) {
			switch {
			case level != fatal:
			case c.version == 0 && from == server:
				p.failed(c, "none", alertName(description))
			case c.version != 0 && c.version < version13:
				p.failed(c, "1.2", alertName(description))
			}
		}
		takers[from] = r.add
	}
	return takers
}

// end is called once both sides have said goodbye, or one has left.
func (p *probe) end(c *connection) {
	again := c.ended
	c.ended = true
	if !again && !c.hello.IsZero() {
		c.failed = true
		p.metrics.failures.WithLabelValues(c.dst, "none", "no_server_hello").Inc()
	}
}

// overdue looks after what did not happen.
func (p *probe) overdue(c *connection, now time.Time) {
	if !c.hello.IsZero() && !c.failed && now.Sub(c.hello) > helloWithin {
		c.failed = true
		p.metrics.failures.WithLabelValues(c.dst, "none", "no_server_hello").Inc()
	}
	for i := range c.orders {
		if since := c.orders[i].since; !c.givenUp && !since.IsZero() && now.Sub(since) > gapWithin {
			p.giveUp(c, "gap")
		}
	}
	idle := now.Sub(c.heard)
	if idle > silent || c.ended && idle > lingers {
		delete(p.connections, c.key)
	}
}
