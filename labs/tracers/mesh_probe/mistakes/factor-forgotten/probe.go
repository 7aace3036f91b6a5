package main

import (
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// Rules of the brief.
const (
	leastErrors  = 5
	leastStreams = 3
	leastSamples = 50
	rttFactor    = 1
	rttFloor     = 50 * time.Millisecond
	mostResets   = 10 // of one stream within a second
	ticksEvery   = 200 * time.Millisecond
)

// stream is one of one connection.
type stream struct {
	connection uint64
	id         uint32
}

// destination is what is remembered of one server.
type destination struct {
	errors  map[int]*window      // 5xx by status
	resets  map[stream]time.Time // streams that were reset with an error: when last
	samples histogram
}

// probe puts together what the kernel hands over. Everything is behind one lock.
type probe struct {
	config
	mutex        sync.Mutex
	metrics      *metrics
	hook         *hook
	connections  map[key]*connection
	numbers      uint64
	destinations map[string]*destination
	rates        map[stream][]time.Time // of the last resets of a stream
	causes       map[cause]time.Time    // those that hold: when it was last seen
}

func newProbe(c config, m *metrics, h *hook) *probe {
	return &probe{
		config: c, metrics: m, hook: h,
		connections:  map[key]*connection{},
		destinations: map[string]*destination{},
		rates:        map[stream][]time.Time{},
		causes:       map[cause]time.Time{},
	}
}

func (p *probe) destination(dst string) *destination {
	d := p.destinations[dst]
	if d == nil {
		d = &destination{errors: map[int]*window{}, resets: map[stream]time.Time{}}
		p.destinations[dst] = d
	}
	return d
}

// take is called for every packet.
func (p *probe) take(packet *packet) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if packet.has(synFlag) && !packet.has(ackFlag) {
		p.opened(packet)
		return
	}
	if c := p.connections[key{packet.src, packet.dst}]; c != nil {
		p.segment(c, client, packet)
	} else if c := p.connections[key{packet.dst, packet.src}]; c != nil {
		p.segment(c, server, packet)
	} else if len(packet.data) > 0 {
		p.unknown(packet)
	}
}

// opened begins a connection with its SYN, which may be there twice.
func (p *probe) opened(packet *packet) {
	k := key{packet.src, packet.dst}
	known := p.connections[k]
	if known != nil && !known.ended && known.orders[client].next == packet.seq+1 {
		return
	}
	p.numbers++
	c := newConnection(k, p.numbers)
	// a watched client of a server that is not: remembered, so that its data is not taken for midstream
	c.givenUp = !p.watches(k.server.Addr())
	p.connections[k] = c
	p.segment(c, client, packet)
}

// unknown is data of a connection whose beginning was not seen.
func (p *probe) unknown(packet *packet) {
	k := key{packet.src, packet.dst}
	if !p.watches(packet.dst.Addr()) || p.watches(packet.src.Addr()) && packet.src.Port() < packet.dst.Port() {
		k = key{packet.dst, packet.src}
	}
	if !p.watches(k.server.Addr()) {
		return
	}
	p.numbers++
	c := newConnection(k, p.numbers)
	c.heard = packet.at
	p.connections[k] = c
	p.giveUp(c, "midstream")
}

func (p *probe) giveUp(c *connection, reason string) {
	if c.givenUp {
		return
	}
	c.givenUp = true
	c.taker, c.first = [2]func([]byte){}, [2][]byte{}
	c.hello = time.Time{}
	p.metrics.undecodable.WithLabelValues(c.dst, reason).Inc()
}

func (p *probe) answered(dst string, status int, at time.Time) {
	p.metrics.responses.WithLabelValues(dst).Inc()
	if status < 500 || status > 599 {
		return
	}
	errors := p.destination(dst).errors
	if errors[status] == nil {
		errors[status] = newWindow(p.window)
	}
	errors[status].add(at)
}

func (p *probe) reset(c *connection, by side, id uint32, code http2.ErrCode) {
	p.metrics.resets.WithLabelValues(c.dst, by.String(), codeName(code)).Inc()
	s, at := stream{c.number, id}, c.heard
	if code != http2.ErrCodeNo && code != http2.ErrCodeCancel {
		resets := p.destination(c.dst).resets
		resets[s] = at
		if n := p.recent(resets, at); n >= leastStreams {
			p.holds(cause{"reset_streams", c.dst}, at, float64(n))
		}
	}
	last := append(p.rates[s], at)
	if len(last) > mostResets+1 {
		last = last[1:]
	}
	p.rates[s] = last
	if len(last) > mostResets && at.Sub(last[0]) < time.Second {
		p.holds(cause{"reset_rate", c.dst}, at, float64(len(last)))
	}
}

// recent counts the streams of the window that ends now, and forgets the others.
func (p *probe) recent(resets map[stream]time.Time, now time.Time) int {
	for s, at := range resets {
		if now.Sub(at) >= p.window {
			delete(resets, s)
		}
	}
	return len(resets)
}

func (p *probe) failed(c *connection, version, reason string) {
	c.hello = time.Time{}
	if !c.failed {
		c.failed = true
		p.metrics.failures.WithLabelValues(c.dst, version, reason).Inc()
	}
}

// sample takes a round-trip time: judged by those before it, then one of them.
func (p *probe) sample(r rtt) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	dst := r.far
	if p.connections[key{r.near, r.far}] == nil {
		if p.connections[key{r.far, r.near}] == nil {
			return
		}
		dst = r.near
	}
	if !p.watches(dst.Addr()) {
		return
	}
	d, took := p.destination(dst.String()), time.Duration(r.microseconds)*time.Microsecond
	if d.samples.total >= leastSamples && took > rttFloor && took > rttFactor*d.samples.p99() {
		if p.holds(cause{"rtt", dst.String()}, time.Now(), took.Seconds()) {
			p.metrics.alarms.WithLabelValues(dst.String()).Inc()
		}
	}
	d.samples.add(took)
}

// holds says that a cause was seen; true when it was not there before, and then the webhook is called.
func (p *probe) holds(c cause, at time.Time, value float64) bool {
	_, known := p.causes[c]
	p.causes[c] = at
	if !known {
		p.hook.call(c, value)
	}
	return !known
}

// tick is called now and then.
func (p *probe) tick(now time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, c := range p.connections {
		p.overdue(c, now)
	}
	for s, last := range p.rates {
		if now.Sub(last[len(last)-1]) > time.Second {
			delete(p.rates, s)
		}
	}
	for c, at := range p.causes {
		// a reset counts for a window, so its streams may be too few before that
		held := now.Sub(at) < p.window
		if c.kind == "reset_streams" {
			held = p.recent(p.destination(c.dst).resets, now) >= leastStreams
		}
		if !held {
			delete(p.causes, c)
		}
	}
}

// exported is what of the windows is enough to be told, as (dst, status, count).
func (p *probe) exported(now time.Time, tell func(dst string, status, count int)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for dst, d := range p.destinations {
		sum := 0
		for _, w := range d.errors {
			sum += w.sum(now)
		}
		if sum < leastErrors {
			continue
		}
		for status, w := range d.errors {
			if count := w.sum(now); count > 0 {
				tell(dst, status, count)
			}
		}
	}
}

func (p *probe) p99s(tell func(dst string, seconds float64)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for dst, d := range p.destinations {
		if d.samples.total >= leastSamples {
			tell(dst, d.samples.p99().Seconds())
		}
	}
}
