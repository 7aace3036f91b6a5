package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"lastmile.invalid/guest/internal/frame"
)

// lingered gets the error that ended a test.linger.
var lingered = make(chan error)

func init() {
	register("test.echo", func(_ context.Context, call *Call) (any, error) {
		body, err := io.ReadAll(call.Body)
		return map[string]any{"args": string(call.Args), "body": len(body)}, err
	})
	register("test.wait", func(ctx context.Context, _ *Call) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	register("test.linger", func(ctx context.Context, _ *Call) (any, error) {
		<-ctx.Done()
		lingered <- ctx.Err()
		return nil, ctx.Err()
	})
	register("test.panic", func(context.Context, *Call) (any, error) { panic("on purpose") })
	register("test.long", func(context.Context, *Call) (any, error) {
		return map[string]string{"x": strings.Repeat("y", 3*frame.MaxHeader)}, nil
	})
	registerStream("test.deaf", func(context.Context, *Call) (any, error) { return nil, errors.New("no thanks") })
}

// host is the other end of a server.
type host struct {
	t       *testing.T
	out     io.Writer
	in      *frame.Reader
	session uint32
}

func newHost(t *testing.T) *host {
	toGuest, fromHost := io.Pipe()
	toHost, fromGuest := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- newServer(fromGuest).serve(toGuest) }()
	t.Cleanup(func() {
		_ = fromHost.Close()
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Errorf("serve: %v", err)
		}
	})
	h := &host{t: t, out: fromHost, in: frame.NewReader(toHost)}
	h.begin(7)
	return h
}

func (h *host) begin(session uint32) {
	h.session = session
	h.send(`{"id":1,"op":"hello","args":{"protocol":1}}`, nil)
	if a := h.receive(); a.ID != 1 || a.Error != "" {
		h.t.Fatalf("hello: %+v", a)
	}
}

func (h *host) send(header string, payload []byte) {
	h.t.Helper()
	data, err := frame.Append(nil, frame.Frame{Session: h.session, Header: []byte(header), Payload: payload})
	if err == nil {
		_, err = h.out.Write(data)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) receive() answer {
	h.t.Helper()
	f, err := h.in.Next()
	if err != nil {
		h.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(f.Header, &a); err != nil || f.Session != h.session {
		h.t.Fatalf("%q of session %d: %v", f.Header, f.Session, err)
	}
	return a
}

func TestServerAnswers(t *testing.T) {
	h := newHost(t)
	h.send(`{"id":2,"op":"test.echo","args":{"a":1},"more":true}`, make([]byte, 100))
	h.send(`{"id":2}`, make([]byte, 11))
	got := h.receive()
	if ok, _ := got.OK.(map[string]any); got.ID != 2 || ok["body"] != 111.0 || ok["args"] != `{"a":1}` {
		t.Errorf("got %+v", got)
	}
}

func TestServerRefuses(t *testing.T) {
	h := newHost(t)
	for header, want := range map[string]string{
		`{"id":2,"op":"nothing"}`:                      "no operation",
		`{"id":2,"op":"test.panic"}`:                   "on purpose",
		`{"id":2,"op":"test.wait","timeout":0.01}`:     "deadline",
		`{"id":2,"op":"test.deaf"}`:                    "no thanks",
		`{"id":2,"op":"ping"}`:                         "",
		`{"id":2,"op":"get","args":{"name":"../x"}}`:   "not the name of a file",
		`{"id":2,"op":"get","args":{"nome":"x"}}`:      "unknown field",
		`{"id":2,"op":"http","args":{"url":"ftp://"}}`: "not an http address",
	} {
		h.send(header, nil)
		if got := h.receive(); got.ID != 2 || !strings.Contains(got.Error, want) || (want == "") != (got.Error == "") {
			t.Errorf("%s: %+v", header, got)
		}
	}
}

func TestServerIgnoresWhatIsNotOfItsSession(t *testing.T) {
	h := newHost(t)
	h.session = 8
	h.send(`{"id":2,"op":"ping"}`, nil)
	h.session = 7
	h.send(`not JSON`, nil)
	h.send(`{"id":99}`, []byte("goes on with nothing"))
	h.send(`{"id":3,"op":"ping"}`, nil)
	if got := h.receive(); got.ID != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestServerBoundsABody(t *testing.T) {
	h := newHost(t)
	h.send(`{"id":2,"op":"test.echo","more":true}`, nil)
	for range MaxBody/frame.MaxPayload + 1 {
		h.send(`{"id":2,"more":true}`, make([]byte, frame.MaxPayload))
	}
	h.send(`{"id":2}`, nil)
	if got := h.receive(); !strings.Contains(got.Error, "too long") {
		t.Errorf("got %+v", got)
	}
}

func TestServerBoundsTheRequestsUnderWay(t *testing.T) {
	h := newHost(t)
	for range maxCalls {
		h.send(`{"id":2,"op":"test.wait"}`, nil)
	}
	h.send(`{"id":3,"op":"ping"}`, nil)
	if got := h.receive(); got.ID != 3 || !strings.Contains(got.Error, "too many") {
		t.Errorf("got %+v", got)
	}
}

func TestAnUploadThatIsRefusedHoldsNobodyUp(t *testing.T) {
	h := newHost(t)
	for range maxCalls {
		h.send(`{"id":2,"op":"test.wait"}`, nil)
	}
	h.send(`{"id":3,"op":"test.deaf","more":true}`, make([]byte, 100))
	if got := h.receive(); got.ID != 3 || !strings.Contains(got.Error, "too many") {
		t.Errorf("got %+v", got)
	}
	h.send(`{"id":3}`, make([]byte, 100))
	h.send(`{"id":4,"op":"ping"}`, nil)
	if got := h.receive(); got.ID != 4 {
		t.Errorf("got %+v", got)
	}
}

func TestHeadersThatFitNoAnswerAreRefused(t *testing.T) {
	if err := headersFit(http.Header{"A": {"<" + strings.Repeat("b", 1000)}}); err != nil {
		t.Error(err)
	}
	if err := headersFit(http.Header{"A": {strings.Repeat("<", mostHeaders/6)}}); err == nil {
		t.Error("accepted")
	}
}

func TestTheOldestProgramThatEndedIsForgottenFirst(t *testing.T) {
	programs.Lock()
	known := programs.known
	programs.known = map[uint64]*program{}
	programs.Unlock()
	t.Cleanup(func() { programs.known = known })
	ended, begun := make(chan struct{}), time.Now()
	close(ended)
	for n := range uint64(maxPrograms) {
		done := ended
		if n == 0 {
			done = make(chan struct{})
		}
		programs.known[n] = &program{number: n, done: done, started: begun.Add(time.Duration(n))}
	}
	if err := (&program{number: 99}).claim(); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[uint64]bool{0: true, 1: false, 2: true, 63: true, 99: true} {
		if _, err := find(n); (err == nil) != want {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestServerSendsALongAnswerAsItsBody(t *testing.T) {
	h := newHost(t)
	h.send(`{"id":2,"op":"test.long"}`, nil)
	parts := 0
	for got := h.receive(); ; got = h.receive() {
		if !got.More {
			if ok, _ := got.OK.(map[string]any); ok["in_body"] != true || parts < 2 {
				t.Errorf("%d parts, then %+v", parts, got)
			}
			return
		}
		parts++
	}
}

func TestANewSessionEndsTheOneBefore(t *testing.T) {
	h := newHost(t)
	h.send(`{"id":2,"op":"test.linger"}`, nil)
	h.begin(9)
	if err := <-lingered; !errors.Is(err, context.Canceled) {
		t.Errorf("the request of the session before ended with %v", err)
	}
	// Nobody waits for its answer any more: the new session gets its own, under the same number.
	for range 20 {
		h.send(`{"id":2,"op":"ping"}`, nil)
		if got := h.receive(); got.ID != 2 || got.Error != "" {
			t.Fatalf("got %+v", got)
		}
	}
}
