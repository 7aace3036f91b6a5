package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func called(h *webhook, body string) int {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body)))
	return answer.Code
}

func TestTheWebhookKeepsWhatItGets(t *testing.T) {
	h := &webhook{answer: "ok", changed: make(chan struct{})}
	if code := called(h, `{"kind": "rtt"}`); code != http.StatusNoContent {
		t.Errorf("%d", code)
	}
	h.answer = "fail"
	if code := called(h, strings.Repeat("x", maxHookBody+1)); code != http.StatusInternalServerError {
		t.Errorf("%d", code)
	}
	if got := h.received[0]; got.Body != `{"kind": "rtt"}` || got.Answered != http.StatusNoContent || got.At <= 0 {
		t.Errorf("%+v", got)
	}
	if length := len(h.received[1].Body); length != maxHookBody {
		t.Errorf("%d bytes were kept", length)
	}
}

func TestTheWebhookKeepsNoMoreThanItsBound(t *testing.T) {
	h := &webhook{answer: "ok", changed: make(chan struct{})}
	for range maxReceived {
		called(h, "")
	}
	if code := called(h, ""); code != http.StatusTooManyRequests {
		t.Errorf("%d", code)
	}
	if len(h.received) != maxReceived || h.lost != 1 {
		t.Errorf("%d kept, %d lost", len(h.received), h.lost)
	}
}

func TestOneThatHangsIsAnsweredWhenThatChanges(t *testing.T) {
	h := &webhook{answer: "hang", changed: make(chan struct{})}
	answered := make(chan int)
	go func() { answered <- called(h, "") }()
	for {
		h.mutex.Lock()
		came := len(h.received)
		h.mutex.Unlock()
		if came == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := h.be("refuse"); err != nil {
		t.Fatal(err)
	}
	if code := <-answered; code != http.StatusNoContent {
		t.Errorf("%d", code)
	}
}

func TestNoMoreSessionsAreKeptThanTheBound(t *testing.T) {
	m := &mesh{kept: map[int]*session{}}
	for id := range maxSessions {
		m.kept[id] = &session{}
	}
	if err := m.checkKept(&plan{Sessions: []sessionPlan{{ID: 1, Keep: true, Resumed: true}, {ID: 999}}}); err != nil {
		t.Error(err)
	}
	if m.checkKept(&plan{Sessions: []sessionPlan{{ID: 999, Keep: true}}}) == nil {
		t.Error("accepted")
	}
}
