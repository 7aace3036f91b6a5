package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// wire is a proxy that keeps what passes it: the truth that the host expects is looked for in these bytes.
type wire struct {
	place    place
	listener net.Listener
	mutex    sync.Mutex
	passed   []*passed
	all      sync.WaitGroup
}

// passed is one connection.
type passed struct{ client, server bytes.Buffer }

func newWire(t *testing.T, to place) *wire {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().(*net.TCPAddr)
	w := &wire{place: place{"127.0.0.3", at.Port}, listener: listener}
	w.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			other, err := net.Dial("tcp4", to.String())
			if err != nil {
				_ = conn.Close()
				continue
			}
			one := &passed{}
			w.mutex.Lock()
			w.passed = append(w.passed, one)
			w.mutex.Unlock()
			w.all.Go(func() { pass(conn, other, &one.client) })
			w.all.Go(func() { pass(other, conn, &one.server) })
		}
	})
	return w
}

func pass(from, to net.Conn, kept io.Writer) {
	_, _ = io.Copy(io.MultiWriter(to, kept), from)
	_ = to.(*net.TCPConn).CloseWrite()
}

// seen is what passed, when all connections have ended.
func (w *wire) seen() []*passed {
	_ = w.listener.Close()
	w.all.Wait()
	return w.passed
}

// frames are those of one direction, as texts: "503" for the headers of an answer, "RST 8" for a reset…
func frames(t *testing.T, bytesOf *bytes.Buffer, fromClient bool) []string {
	t.Helper()
	if fromClient {
		bytesOf.Next(len(http2.ClientPreface))
	}
	framer := http2.NewFramer(io.Discard, bytesOf)
	framer.ReadMetaHeaders = hpack.NewDecoder(1<<16, nil)
	framer.MaxHeaderListSize = 1 << 20
	var found []string
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status != "" {
				found = append(found, status)
			}
		case *http2.RSTStreamFrame:
			found = append(found, fmt.Sprintf("RST %d", f.ErrCode))
		case *http2.GoAwayFrame:
			found = append(found, "GOAWAY")
		}
	}
}

// local is a mesh on loopback alone, with one server, a wire before it, and what becomes of a session through it.
func local(t *testing.T, at serverPlan, p sessionPlan) (*wire, sessionReport) {
	t.Helper()
	k, err := newKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &mesh{
		network: &network{known: map[string]bool{}}, keys: k, orders: newOrders(),
		servers: map[place]server{}, plans: map[place]serverPlan{}, kept: map[int]*session{},
	}
	free, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	at.Address, at.Port = "127.0.0.2", free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	started, err := m.serve(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(started.close)
	w := newWire(t, at.place())
	m.plans[w.place], m.servers[w.place] = at, started
	p.Server, p.Source, p.Concurrent = w.place, "127.0.0.4", max(p.Concurrent, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	said, _ := m.hold(ctx, p, nil)
	return w, said
}

func TestHTTP2LeavesOnTheWireWhatTheHostExpects(t *testing.T) {
	tests := map[string]struct {
		server          serverPlan
		session         sessionPlan
		client, answers []string
	}{
		"statuses": {
			serverPlan{Kind: "h2c"},
			sessionPlan{Kind: "h2", TableSize: 200, Exchanges: []exchangePlan{
				{Ask: "status", Status: 503, Count: 3}, {Ask: "status", Status: 200, Count: 1, Headers: 20_000, Early: true},
			}},
			nil, []string{"503", "503", "503", "103", "200"},
		},
		"resets": {
			serverPlan{Kind: "h2c"},
			sessionPlan{Kind: "h2", TableSize: 4096, Exchanges: []exchangePlan{
				{Ask: "cancel", Status: 503, Count: 2}, {Ask: "abort", Status: 500, Count: 2},
			}},
			[]string{"RST 8", "RST 8"}, []string{"503", "503", "500", "RST 2", "500", "RST 2"},
		},
		"many at once": {
			serverPlan{Kind: "h2c", Chunk: 7},
			sessionPlan{Kind: "h2", TableSize: 1 << 16, Concurrent: 8, Exchanges: []exchangePlan{
				{Ask: "abort", Status: 504, Count: 20},
			}},
			nil, slices.Concat(slices.Repeat([]string{"504"}, 20), slices.Repeat([]string{"RST 2"}, 20)),
		},
		"the end is announced": {
			serverPlan{Kind: "h2c"},
			sessionPlan{Kind: "h2", TableSize: 4096, Exchanges: []exchangePlan{{Ask: "goaway", Status: 200, Count: 1}}},
			nil, []string{"200", "GOAWAY"},
		},
		"grpc": {
			serverPlan{Kind: "grpc"},
			sessionPlan{Kind: "grpc", Exchanges: []exchangePlan{
				{Ask: "call", Status: 14, Count: 2}, {Ask: "call", Count: 1}, {Ask: "call_cancel", Count: 2},
			}},
			[]string{"RST 8", "RST 8"}, []string{"200", "200", "200", "200", "200"},
		},
		"one stream often": {
			serverPlan{Kind: "h2c"},
			sessionPlan{Kind: "framer", Exchanges: []exchangePlan{{Ask: "reset", Status: 8, Count: 12}}},
			slices.Repeat([]string{"RST 8"}, 12), []string{"200"},
		},
		"frames that are padded": {
			serverPlan{Kind: "made"},
			sessionPlan{Kind: "framer", Exchanges: []exchangePlan{
				{Ask: "padded", Status: 503, Count: 2}, {Ask: "padded", Status: 200, Count: 1, Body: 900},
			}},
			nil, []string{"503", "503", "200"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w, said := local(t, test.server, test.session)
			if said.Failed != "" {
				t.Fatal(said.Failed)
			}
			seen := w.seen()
			if len(seen) != 1 {
				t.Fatalf("%d connections", len(seen))
			}
			client, server := frames(t, &seen[0].client, true), frames(t, &seen[0].server, false)
			// a client of Go's says that it leaves, the server that it closes: neither is asked for
			client = slices.DeleteFunc(client, func(s string) bool { return s == "GOAWAY" })
			if announced := slices.Contains(test.answers, "GOAWAY"); !announced {
				server = slices.DeleteFunc(server, func(s string) bool { return s == "GOAWAY" })
			} else {
				slices.Sort(server) // it may come before the answer
			}
			if test.session.Concurrent > 1 {
				slices.Sort(server)
			}
			if !slices.Equal(client, test.client) || !slices.Equal(server, test.answers) {
				t.Errorf("client %v, server %v; rows %v", client, server, said.Rows)
			}
		})
	}
}

// blocks are the kinds of frames of one direction, and the first byte of each header block.
func blocks(t *testing.T, bytesOf *bytes.Buffer) (kinds map[http2.FrameType]int, first []byte) {
	t.Helper()
	kinds = map[http2.FrameType]int{}
	framer := http2.NewFramer(io.Discard, bytesOf)
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return kinds, first
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds[frame.Header().Type]++
		if headers, ok := frame.(*http2.HeadersFrame); ok {
			first = append(first, headers.HeaderBlockFragment()[0])
		}
	}
}

func TestStatusesAreReferencesAndLongHeadersAreContinued(t *testing.T) {
	w, said := local(t, serverPlan{Kind: "h2c"}, sessionPlan{Kind: "h2", TableSize: 4096, Exchanges: []exchangePlan{
		{Ask: "status", Status: 503, Count: 3}, {Ask: "status", Status: 500, Count: 1, Headers: 40_000},
	}})
	if said.Failed != "" {
		t.Fatal(said.Failed)
	}
	kinds, first := blocks(t, &w.seen()[0].server)
	// RFC 7541, sections 6.1 and 6.2.1: 01… is a literal that is put into the table, 1… an index, dynamic from 62 on
	if len(first) != 4 || first[0]>>6 != 1 || first[1] < 0x80+62 || first[2] < 0x80+62 || first[3] != 0x80+14 {
		t.Errorf("header blocks begin with % x", first)
	}
	if kinds[http2.FrameContinuation] == 0 {
		t.Errorf("%v", kinds)
	}
}

func TestABlockThatRefersToNothingCannotBeDecodedAndWhatFollowsCould(t *testing.T) {
	w, said := local(t, serverPlan{Kind: "made"}, sessionPlan{Kind: "framer", Exchanges: []exchangePlan{
		{Ask: "padded", Status: 503, Count: 1}, {Ask: "broken", Status: 200, Count: 1}, {Ask: "padded", Status: 503, Count: 2},
	}})
	var told []string
	for _, row := range said.Rows {
		told = append(told, row.Said)
	}
	if !slices.Equal(told, []string{"503", "broken ff 80 10", "503", "503"}) {
		t.Fatalf("%+v", said)
	}
	answers, decoder := w.seen()[0].server, hpack.NewDecoder(4096, nil)
	framer, decoded := http2.NewFramer(io.Discard, &answers), []string{}
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			break
		}
		if headers, ok := frame.(*http2.HeadersFrame); ok {
			fields, err := decoder.DecodeFull(headers.HeaderBlockFragment())
			if err != nil {
				decoded = append(decoded, "error")
				decoder.SetEmitEnabled(true)
				continue
			}
			decoded = append(decoded, fields[0].Value)
			if !headers.Flags.Has(http2.FlagHeadersPadded | http2.FlagHeadersPriority) {
				t.Errorf("%v", headers)
			}
		}
	}
	if !slices.Equal(decoded, []string{"503", "error", "503", "503"}) {
		t.Errorf("%v", decoded)
	}
}

func TestAClientThatIsStuckHasSaidHelloAndStays(t *testing.T) {
	w, said := local(t, serverPlan{Kind: "silent", TLS: "1.3"}, sessionPlan{
		Kind: "tls", Fate: "stuck", Exchanges: []exchangePlan{{Ask: "handshake", Count: 1}},
	})
	if len(said.Rows) != 1 || !strings.HasSuffix(said.Rows[0].Said, " stuck") {
		t.Fatalf("%+v", said)
	}
	seen := w.seen()[0]
	if client := seen.client.Bytes(); len(client) < 6 || client[0] != 22 || client[5] != 1 || seen.server.Len() != 0 {
		t.Errorf("client % x, server % x", client, seen.server.Bytes())
	}
}

// alertOf is the first alert in plain text of one direction, 0 for none; hello says whether a ServerHello came.
func alertOf(record []byte) (alert byte, hello bool) {
	for len(record) >= 5 {
		length := int(record[3])<<8 | int(record[4])
		if len(record) < 5+length {
			return alert, hello
		}
		body := record[5 : 5+length]
		switch {
		case record[0] == 22 && length > 0 && body[0] == 2:
			hello = true
		case record[0] == 21 && length == 2 && alert == 0:
			alert = body[1]
		}
		record = record[5+length:]
	}
	return alert, hello
}

func TestHandshakesLeaveOnTheWireWhatTheHostExpects(t *testing.T) {
	tests := []struct {
		fate, tls      string
		kind           string
		client, server byte
		hello          bool
		said           string
	}{
		{"good", "1.2", "tls", 0, 0, true, "good 1.2"},
		{"good", "1.3", "tls", 0, 0, true, "good 1.3"},
		{"distrust", "1.2", "tls", 42, 0, true, "distrust"},
		{"distrust", "1.3", "tls", 0, 0, true, "distrust"},
		{"no_version", "1.2", "tls", 0, 70, false, "alert 70"},
		{"no_version", "1.3", "tls", 0, 70, false, "alert 70"},
		{"no_alpn", "1.2", "tls", 0, 120, false, "alert 120"},
		{"no_alpn", "1.3", "tls", 0, 120, false, "alert 120"},
		{"no_cipher", "1.2", "tls", 0, 40, false, "alert 40"},
		{"no_certificate", "1.2", "tls", 0, 40, true, "alert 40"},
		{"no_certificate", "1.3", "tls", 0, 0, true, "alert 116"},
		{"silent", "1.3", "silent", 0, 0, false, "silent"},
		{"closing", "1.3", "closing", 0, 0, false, "closing"},
		{"plain", "1.3", "plain", 0, 0, false, "plain"},
	}
	for _, test := range tests {
		t.Run(test.fate+test.tls, func(t *testing.T) {
			at := serverPlan{Kind: test.kind, TLS: test.tls, Mutual: test.fate == "no_certificate"}
			w, said := local(t, at, sessionPlan{
				Kind: "tls", Fate: test.fate, PatienceMS: 500, Exchanges: []exchangePlan{{Ask: "handshake", Count: 1}},
			})
			if len(said.Rows) != 1 || !bytes.HasSuffix([]byte(said.Rows[0].Said), []byte(" "+test.said)) {
				t.Fatalf("%+v", said)
			}
			seen := w.seen()
			client, _ := alertOf(seen[0].client.Bytes())
			server, hello := alertOf(seen[0].server.Bytes())
			if client != test.client || server != test.server || hello != test.hello {
				t.Errorf("client %d, server %d, ServerHello %t", client, server, hello)
			}
		})
	}
}
