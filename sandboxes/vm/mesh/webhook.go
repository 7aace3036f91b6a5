package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	hookAddress = "127.0.0.1:9800"
	maxReceived = 512
	maxHookBody = 16 << 10
	slowAnswer  = 2 * time.Second
)

// received is one request to the webhook. Answered is the status it got, 0 while or when there was none.
type received struct {
	At       float64     `json:"at"`
	Method   string      `json:"method"`
	Path     string      `json:"path"`
	Headers  http.Header `json:"headers"`
	Body     string      `json:"body"`
	Answered int         `json:"answered"`
}

// webhook receives what the learner's program tells, and answers as the host wants it to.
type webhook struct {
	mutex    sync.Mutex
	server   *http.Server
	answer   string
	changed  chan struct{}
	received []received
	lost     int
}

func newWebhook() (*webhook, error) {
	h := &webhook{changed: make(chan struct{})}
	return h, h.be("ok")
}

// be makes it answer so from now on: ok, fail, slow, hang, or refuse, where nobody listens.
func (h *webhook) be(answer string) error {
	switch answer {
	case "ok", "fail", "slow", "hang", "refuse":
	default:
		return fmt.Errorf("no webhook is %q", answer)
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.answer = answer
	close(h.changed)
	h.changed = make(chan struct{})
	if answer == "refuse" {
		if h.server != nil {
			_ = h.server.Close()
			h.server = nil
		}
		return nil
	}
	if h.server != nil {
		return nil
	}
	listener, err := net.Listen("tcp4", hookAddress)
	if err != nil {
		return err
	}
	h.server = &http.Server{Handler: h, ReadTimeout: 10 * time.Second, MaxHeaderBytes: maxHookBody}
	server := h.server
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxHookBody))
	if err != nil {
		return
	}
	h.mutex.Lock()
	number := len(h.received)
	if number >= maxReceived {
		h.lost++
		h.mutex.Unlock()
		http.Error(w, "too many", http.StatusTooManyRequests)
		return
	}
	one := received{At: now(), Method: r.Method, Path: r.URL.Path, Headers: r.Header, Body: string(body)}
	h.received = append(h.received, one)
	answer, changed := h.answer, h.changed
	h.mutex.Unlock()
	if status := h.decide(r, answer, changed); status != 0 {
		h.mutex.Lock()
		h.received[number].Answered = status
		h.mutex.Unlock()
		w.WriteHeader(status)
	}
}

// decide waits as the answer wants it; 0 when the other has left. One that hung is answered when that changes.
func (h *webhook) decide(r *http.Request, answer string, changed <-chan struct{}) int {
	switch answer {
	case "fail":
		return http.StatusInternalServerError
	case "slow":
		select {
		case <-time.After(slowAnswer):
		case <-r.Context().Done():
			return 0
		}
	case "hang":
		select {
		case <-changed:
		case <-r.Context().Done():
			return 0
		}
	}
	return http.StatusNoContent
}

// since gives what was received from number `from` on.
func (h *webhook) since(from int) any {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	from = min(max(from, 0), len(h.received))
	return map[string]any{"received": append([]received{}, h.received[from:]...), "lost": h.lost}
}

func (h *webhook) close() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.server != nil {
		_ = h.server.Close()
	}
}
