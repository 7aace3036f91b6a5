package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"lastmile.invalid/guest/internal/frame"
)

const (
	// MaxBody bounds what is sent along with a request that is not streamed.
	MaxBody = 1 << 20
	// maxCalls bounds the requests under way.
	maxCalls = 64
)

// request is the JSON object of a frame from the host. Frames that go on with a request have no op.
type request struct {
	ID      uint64          `json:"id"`
	Op      string          `json:"op,omitempty"`
	Args    json.RawMessage `json:"args,omitempty"`
	Timeout float64         `json:"timeout,omitempty"`
	More    bool            `json:"more,omitempty"`
}

// answer ends a request; with More it only brings a piece of the body.
type answer struct {
	ID    uint64 `json:"id"`
	OK    any    `json:"ok,omitempty"`
	Error string `json:"error,omitempty"`
	More  bool   `json:"more,omitempty"`
}

// server speaks with one host at a time. A hello begins a session and ends the one before.
type server struct {
	out     io.Writer
	writing sync.Mutex
	session uint32
	ctx     context.Context
	cancel  context.CancelFunc
	calls   chan struct{}
	uploads map[uint64]*upload
}

func newServer(out io.Writer) *server {
	s := &server{out: out, calls: make(chan struct{}, maxCalls)}
	s.begin(0)
	return s
}

// serve reads until the channel breaks, which a host that leaves is no reason for.
func (s *server) serve(in io.Reader) error {
	reader := frame.NewReader(in)
	for {
		f, err := reader.Next()
		if err != nil {
			return err
		}
		s.take(f)
	}
}

func (s *server) begin(session uint32) {
	if s.cancel != nil {
		s.cancel()
	}
	for _, u := range s.uploads {
		u.abort()
	}
	s.writing.Lock()
	s.session = session
	s.writing.Unlock()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.uploads = map[uint64]*upload{}
}

func (s *server) take(f frame.Frame) {
	var r request
	if err := json.Unmarshal(f.Header, &r); err != nil {
		return // a host of ours does not send such; there is no id to answer to
	}
	if r.Op == "hello" {
		s.begin(f.Session)
	} else if f.Session != s.session {
		return
	}
	if r.Op == "" {
		if u := s.uploads[r.ID]; u != nil {
			s.goOn(r, u, f.Payload)
		}
		return
	}
	known, ok := operations[r.Op]
	if !ok {
		s.answer(s.ctx, answer{ID: r.ID, Error: "no operation " + r.Op})
		return
	}
	u := newUpload(r, known)
	if r.More {
		s.uploads[r.ID] = u
	}
	if known.streamed && !s.start(r, known, u.body()) {
		delete(s.uploads, r.ID) // nobody would read it, and what comes of it would wait for ever
		return
	}
	s.goOn(r, u, f.Payload)
}

// goOn adds a payload to a request's body; the last one starts what was not started yet.
func (s *server) goOn(r request, u *upload, payload []byte) {
	u.add(payload)
	if r.More {
		return
	}
	delete(s.uploads, r.ID)
	u.end()
	if !u.known.streamed {
		s.start(u.request, u.known, u.body())
	}
}

// start runs an operation. False: too many are under way, and the host is told.
func (s *server) start(r request, known entry, body io.Reader) bool {
	select {
	case s.calls <- struct{}{}:
	default:
		s.answer(s.ctx, answer{ID: r.ID, Error: "too many requests under way"})
		return false
	}
	session := s.ctx
	ctx, cancel := session, context.CancelFunc(func() {})
	if r.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.Timeout*float64(time.Second)))
	}
	go func() {
		defer func() { <-s.calls }()
		defer cancel()
		result, err := s.call(ctx, session, r, known, body)
		if closer, ok := body.(io.Closer); ok {
			_ = closer.Close()
		}
		if err != nil {
			s.answer(session, answer{ID: r.ID, Error: err.Error()})
			return
		}
		if result == nil {
			result = struct{}{}
		}
		s.answer(session, answer{ID: r.ID, OK: result})
	}()
	return true
}

func (s *server) call(ctx, session context.Context, r request, known entry, body io.Reader) (result any, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("the agent failed: %v\n%s", broken, debug.Stack())
		}
	}()
	return known.run(ctx, &Call{
		Args: r.Args,
		Body: body,
		Part: func(piece []byte) error { return s.part(session, r.ID, piece) },
		Emit: func(header any, payload []byte) error { return s.send(context.Background(), header, payload) },
	})
}

func (s *server) part(session context.Context, id uint64, body []byte) error {
	for len(body) > 0 {
		n := min(len(body), frame.MaxPayload)
		if err := s.send(session, answer{ID: id, More: true}, body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// answer sends an answer; one whose object is too large for a header goes as its body.
func (s *server) answer(session context.Context, a answer) {
	err := s.send(session, a, nil)
	if errors.Is(err, frame.ErrTooLong) && a.Error != "" {
		a.Error = a.Error[:frame.MaxHeader/8]
		err = s.send(session, a, nil)
	} else if errors.Is(err, frame.ErrTooLong) {
		err = s.answerInBody(session, a)
	}
	if err != nil {
		logf("answer: %v", err)
	}
}

func (s *server) answerInBody(session context.Context, a answer) error {
	text, err := json.Marshal(a.OK)
	if err == nil {
		err = s.part(session, a.ID, text)
	}
	if err != nil {
		return err
	}
	return s.send(session, answer{ID: a.ID, OK: map[string]bool{"in_body": true}}, nil)
}

// send writes a frame. What answers a request has that request's session: once it has ended nobody waits for the answer,
// and the next host would take it for one to a request of its own. begin cancels before it renumbers.
func (s *server) send(session context.Context, header any, payload []byte) error {
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if session.Err() != nil {
		return nil
	}
	buffer, err := frame.Append(nil, frame.Frame{Session: s.session, Header: text, Payload: payload})
	if err != nil {
		return err
	}
	_, err = s.out.Write(buffer)
	return err
}

// upload collects the body of a request: in memory up to MaxBody, or through a pipe to a streamed operation.
type upload struct {
	request request
	known   entry
	memory  bytes.Buffer
	reading *io.PipeReader
	writing *io.PipeWriter
	tooLong bool
}

func newUpload(r request, known entry) *upload {
	u := &upload{request: r, known: known}
	if known.streamed {
		u.reading, u.writing = io.Pipe()
	}
	return u
}

func (u *upload) add(payload []byte) {
	switch {
	case len(payload) == 0 || u.tooLong:
	case u.writing != nil:
		_, _ = u.writing.Write(payload) // an operation that has given up answers with its own error
	case u.memory.Len()+len(payload) > MaxBody:
		u.tooLong = true
	default:
		u.memory.Write(payload)
	}
}

func (u *upload) body() io.Reader {
	if u.reading != nil {
		return u.reading
	}
	if u.tooLong {
		return failing{errors.New("the request's body is too long")}
	}
	return &u.memory
}

func (u *upload) end() {
	if u.writing != nil {
		_ = u.writing.Close()
	}
}

func (u *upload) abort() {
	if u.writing != nil {
		_ = u.writing.CloseWithError(errors.New("the session ended"))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
