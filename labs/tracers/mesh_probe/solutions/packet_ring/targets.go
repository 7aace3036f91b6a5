package main

import (
	"net/netip"
	"time"

	"golang.org/x/net/http2"
)

const (
	minErrors      = 5    // responses of 5xx in the window, with fewer none is exported
	minStreams     = 3    // of a target that were reset
	rttFactor      = 3    // a sample above this many times P99
	rttFloor       = 0.05 // and above this many seconds is an alarm
	mostBursts     = 20_000
	burstForgotten = moment(10 * time.Second)
)

// targets are the watched servers that there were.
type targets struct {
	window   time.Duration
	loopback bool
	call     func(call)
	byName   map[netip.AddrPort]*target
	bursts   map[streamKey]*burst
}

func newTargets(window time.Duration, loopback bool, tell func(call)) *targets {
	return &targets{
		window: window, loopback: loopback, call: tell,
		byName: map[netip.AddrPort]*target{}, bursts: map[streamKey]*burst{},
	}
}

// target is a server, and what it is known for.
type target struct {
	all  *targets
	name string

	responses   uint64
	errors      map[int]*counts
	resets      map[resetKind]uint64
	undecodable map[string]uint64
	tlsFailures map[tlsFailure]uint64
	rtt         histogram
	rttAlarms   uint64

	resetStreams distinct[streamKey]
	resetRate    lasting
	slow         lasting
}

type (
	resetKind  struct{ by, code string }
	tlsFailure struct{ version, reason string }
	streamKey  struct {
		connection uint64
		stream     uint32
	}
)

func (t *targets) of(server netip.AddrPort) *target {
	found := t.byName[server]
	if found == nil {
		found = &target{
			all: t, name: server.String(),
			errors: map[int]*counts{}, resets: map[resetKind]uint64{},
			undecodable: map[string]uint64{}, tlsFailures: map[tlsFailure]uint64{},
		}
		t.byName[server] = found
	}
	return found
}

func (t *target) response(status int, at moment) {
	t.responses++
	if status < 500 || status > 599 {
		return
	}
	if t.errors[status] == nil {
		t.errors[status] = &counts{}
	}
	t.errors[status].add(at)
}

// errorsNow are the 5xx of the window that ends now by status, if there are enough to be told.
func (t *target) errorsNow(at moment) map[int]int {
	all, found := 0, map[int]int{}
	for status, counts := range t.errors {
		if n := counts.sum(at - moment(t.all.window)); n > 0 {
			found[status] = n
			all += n
		}
	}
	if all < minErrors {
		return nil
	}
	return found
}

func (t *target) reset(stream streamKey, by string, code http2.ErrCode, at moment) {
	t.resets[resetKind{by, errorName(code)}]++
	window := moment(t.all.window)
	if code != http2.ErrCodeNo && code != http2.ErrCodeCancel {
		if begins, streams := t.resetStreams.add(stream, at, window, minStreams); begins {
			t.tell("reset_streams", float64(streams))
		}
	}
	times := t.all.bursts[stream]
	if times == nil {
		times = &burst{}
		t.all.bursts[stream] = times
	}
	if times.add(at) && t.resetRate.meet(at, window) {
		t.tell("reset_rate", float64(times.known))
	}
}

func (t *target) roundTrip(us uint32, at moment) {
	if seconds := float64(us) / 1e6; seconds > rttFloor {
		p99, ok := t.rtt.p99() // of those before this one
		if ok && seconds > rttFactor*p99 && t.slow.meet(at, moment(t.all.window)) {
			t.rttAlarms++
			t.tell("rtt", seconds)
		}
	}
	t.rtt.add(us)
}

func (t *target) tell(kind string, value float64) {
	t.all.call(call{Kind: kind, Dst: t.name, Value: value, WindowSeconds: int(t.all.window / time.Second)})
}

// tick lets time pass where nothing happens.
func (t *targets) tick(at moment) {
	for _, target := range t.byName {
		target.resetStreams.expire(at-moment(t.window), minStreams)
	}
	forgotten := burstForgotten
	if len(t.bursts) > mostBursts { // a flood of streams that are reset once each
		forgotten = moment(time.Second)
	}
	for stream, b := range t.bursts {
		if b.times[b.known-1] < at-forgotten {
			delete(t.bursts, stream)
		}
	}
}

// errorName is the name of RFC 9113, section 7, or the number.
func errorName(code http2.ErrCode) string {
	if code <= http2.ErrCodeHTTP11Required {
		return code.String()
	}
	return uintText(uint64(code))
}
