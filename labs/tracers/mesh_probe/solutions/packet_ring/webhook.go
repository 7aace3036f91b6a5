package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	callTimeout = 2 * time.Second
	callQueue   = 32
)

// call is what the webhook gets.
type call struct {
	Kind          string  `json:"kind"`
	Dst           string  `json:"dst"`
	Value         float64 `json:"value"`
	WindowSeconds int     `json:"window_seconds"`
}

// webhook makes calls one after the other. Whoever wants one does not wait.
type webhook struct {
	url                   string
	client                *http.Client
	queue                 chan call
	sent, failed, dropped atomic.Uint64
}

func newWebhook(url string) *webhook {
	return &webhook{
		url:   url,
		queue: make(chan call, callQueue),
		client: &http.Client{
			Timeout: callTimeout,
			// On a connection of its own each, or else a POST could be sent twice when an old one turns out closed.
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// tell puts a call into the queue, or drops it.
func (w *webhook) tell(c call) {
	if w.url == "" {
		return
	}
	select {
	case w.queue <- c:
	default:
		w.dropped.Add(1)
	}
}

// run makes the calls until the context ends, which also ends the one that is being made.
func (w *webhook) run(stopped context.Context) {
	for {
		select {
		case <-stopped.Done():
			return
		case c := <-w.queue:
			if w.post(stopped, c) {
				w.sent.Add(1)
			} else {
				w.failed.Add(1)
			}
		}
	}
}

func (w *webhook) post(stopped context.Context, c call) bool {
	body, err := json.Marshal(c)
	if err != nil {
		return false
	}
	request, err := http.NewRequestWithContext(stopped, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode/100 == 2
}
