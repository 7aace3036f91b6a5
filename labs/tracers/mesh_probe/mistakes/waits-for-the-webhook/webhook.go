package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

const (
	answerWithin = 2 * time.Second
	mostWaiting  = 64
)

// cause is what somebody is told about once, until it has ceased.
type cause struct{ kind, dst string }

type message struct {
	Kind          string  `json:"kind"`
	Dst           string  `json:"dst"`
	Value         float64 `json:"value"`
	WindowSeconds int     `json:"window_seconds"`
}

// hook calls the webhook from a goroutine of its own: it may hang, and nothing else does.
type hook struct {
	url     string
	window  time.Duration
	queue   chan message
	metrics *metrics
	client  *http.Client
}

func newHook(c config, m *metrics) *hook {
	return &hook{
		url: c.webhook, window: c.window, metrics: m,
		queue:  make(chan message, mostWaiting),
		client: &http.Client{Timeout: answerWithin},
	}
}

func (h *hook) call(c cause, value float64) {
	if h.url == "" {
		return
	}
	result := "failed"
	if h.post(context.Background(), message{c.kind, c.dst, value, int(h.window / time.Second)}) {
		result = "sent"
	}
	h.metrics.webhooks.WithLabelValues(result).Inc()
}

func (h *hook) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-h.queue:
			result := "failed"
			if h.post(ctx, m) {
				result = "sent"
			}
			h.metrics.webhooks.WithLabelValues(result).Inc()
		}
	}
}

func (h *hook) post(ctx context.Context, m message) bool {
	body, err := json.Marshal(m)
	if err != nil {
		return false
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := h.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return response.StatusCode/100 == 2
}
