package main

import (
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
)

// bootTime is what the kernel's monotonic clock counts from.
func bootTime() time.Time {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return time.Now()
	}
	return time.Now().Add(-time.Duration(now.Nano()))
}

// framer gives http2.Framer no bytes before a frame, or a header block with its continuations, is whole.
type framer struct {
	buffer []byte
	framer *http2.Framer
}

func newFramer() *framer {
	f := &framer{}
	f.framer = http2.NewFramer(io.Discard, f)
	f.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.framer.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(65536)
	return f
}

func (f *framer) Read(b []byte) (int, error) {
	n := copy(b, f.buffer)
	f.buffer = f.buffer[n:]
	return n, nil
}

func (f *framer) feed(data []byte, take func(http2.Frame)) error {
	f.buffer = append(f.buffer, data...)
	for f.whole() {
		frame, err := f.framer.ReadFrame()
		if _, ofStream := err.(http2.StreamError); ofStream {
			continue // decoded, but not as a header block should be
		}
		if err != nil {
			return err
		}
		take(frame)
	}
	return nil
}

func (f *framer) whole() bool {
	for b := f.buffer; len(b) >= 9; {
		length := 9 + int(b[0])<<16 + int(b[1])<<8 + int(b[2])
		if len(b) < length {
			return false
		}
		kind, flags := http2.FrameType(b[3]), http2.Flags(b[4])
		block := kind == http2.FrameHeaders || kind == http2.FrameContinuation
		if !block || flags.Has(http2.FlagHeadersEndHeaders) {
			return true
		}
		b = b[length:]
	}
	return false
}

type streamOf struct {
	flow   *conn
	number uint32
}

// judge knows the rules.
type judge struct {
	page   *page
	teller *teller
	failed map[string]map[streamOf]time.Time // by dst: streams that were reset with an error
	recent map[streamOf][]time.Time          // the last resets of a stream
	rtts   map[string][]uint32               // by dst: in ascending order
}

func newJudge(page *page, teller *teller) *judge {
	return &judge{
		page: page, teller: teller,
		failed: map[string]map[streamOf]time.Time{},
		recent: map[streamOf][]time.Time{},
		rtts:   map[string][]uint32{},
	}
}

func (j *judge) frame(f *flow, frame http2.Frame, at time.Time) {
	dst, fromClient := f.conn.dst, f == f.conn.flows[0]
	switch frame := frame.(type) {
	case *http2.MetaHeadersFrame:
		status, _ := strconv.Atoi(frame.PseudoValue("status"))
		if !fromClient && status >= 200 {
			j.page.add("mesh_http2_responses_total", "dst", dst)
			j.page.answered(dst, status, at)
		}
	case *http2.RSTStreamFrame:
		by := "server"
		if fromClient {
			by = "client"
		}
		code := frame.ErrCode.String()
		if frame.ErrCode > http2.ErrCodeHTTP11Required {
			code = strconv.Itoa(int(frame.ErrCode))
		}
		j.page.add("mesh_http2_resets_total", "dst", dst, "by", by, "code", code)
		j.reset(streamOf{f.conn, frame.StreamID}, frame.ErrCode, at)
	}
}

func (j *judge) reset(s streamOf, code http2.ErrCode, at time.Time) {
	dst := s.flow.dst
	if code != http2.ErrCodeNo && code != http2.ErrCodeCancel {
		if j.failed[dst] == nil {
			j.failed[dst] = map[streamOf]time.Time{}
		}
		j.failed[dst][s] = at
		if n := j.streams(dst, at); n >= 3 {
			j.teller.holds("reset_streams", dst, float64(n), at)
		}
	}
	j.recent[s] = slices.DeleteFunc(append(j.recent[s], at), func(old time.Time) bool {
		return at.Sub(old) > time.Second
	})
	if n := len(j.recent[s]); n > 10 {
		j.teller.holds("reset_rate", dst, float64(n), at)
	}
}

// streams is how many of a dst failed within the window.
func (j *judge) streams(dst string, now time.Time) int {
	for s, at := range j.failed[dst] {
		if now.Sub(at) > j.page.window {
			delete(j.failed[dst], s)
		}
	}
	return len(j.failed[dst])
}

func (j *judge) cease(now time.Time) {
	for dst := range j.failed {
		if j.streams(dst, now) < 3 {
			j.teller.ceased("reset_streams", dst)
		}
	}
	for s, times := range j.recent {
		if now.Sub(times[len(times)-1]) > time.Second {
			delete(j.recent, s)
		}
	}
	j.teller.expire(now, j.page.window)
}

// round takes a sample in microseconds.
func (j *judge) round(dst string, sample uint32) {
	all := j.rtts[dst]
	if len(all) >= 50 && sample > 50_000 && sample > 3*p99(all) {
		now := time.Now()
		if j.teller.holds("rtt", dst, float64(sample)/1e6, now) {
			j.page.add("mesh_rtt_alarms_total", "dst", dst)
		}
	}
	at, _ := slices.BinarySearch(all, sample)
	j.rtts[dst] = slices.Insert(all, at, sample)
	if all = j.rtts[dst]; len(all) >= 50 {
		j.page.set("mesh_rtt_p99_seconds", float64(p99(all))/1e6, "dst", dst)
	}
}

func p99(ascending []uint32) uint32 { return ascending[(len(ascending)*99+99)/100-1] }

// records reads TLS as far as it is in plain text.
func (j *judge) records(f *flow, data []byte, at time.Time) {
	if f.opaque {
		return
	}
	f.buffer = append(f.buffer, data...)
	for len(f.buffer) >= 5 && !f.opaque {
		length := 5 + int(binary.BigEndian.Uint16(f.buffer[3:]))
		if len(f.buffer) < length {
			return
		}
		j.record(f, f.buffer[0], f.buffer[5:length], at)
		f.buffer = f.buffer[length:]
	}
}

func (j *judge) record(f *flow, kind byte, body []byte, at time.Time) {
	c := f.conn
	fromClient := f == c.flows[0]
	switch {
	case kind == 22 && len(body) > 38 && body[0] == 1 && fromClient && c.tls == "":
		c.hello = at
	case kind == 22 && len(body) > 38 && body[0] == 2 && !fromClient:
		c.hello, c.tls = time.Time{}, agreed(body)
	case kind == 22:
	case kind == 21 && len(body) == 2 && body[0] == 2:
		switch {
		case c.tls == "1.2":
			j.broken(c, "1.2", alertName(body[1]))
		case c.tls == "" && !fromClient:
			j.broken(c, "none", alertName(body[1]))
		}
	case kind == 21 && len(body) == 2:
	default:
		f.opaque = true
	}
}

// agreed walks through a ServerHello to its extensions.
func agreed(hello []byte) string {
	rest := hello[4+2+32:]
	skip := func(n int) {
		rest = rest[min(n, len(rest)):]
	}
	skip(1 + int(rest[0]))
	skip(3 + 2)
	for len(rest) >= 4 {
		kind, length := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if kind == 43 {
			return "1.3"
		}
		skip(4 + length)
	}
	return "1.2"
}

func (j *judge) broken(c *conn, version, reason string) {
	c.hello = time.Time{}
	if !c.told {
		c.told = true
		j.page.add("mesh_tls_failures_total", "dst", c.dst, "version", version, "reason", reason)
	}
}

func (j *judge) unanswered(c *conn) {
	if !c.hello.IsZero() {
		j.broken(c, "none", "no_server_hello")
	}
}
