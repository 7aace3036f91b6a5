package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

type reason struct{ kind, dst string }

// teller calls the webhook, once for each reason that begins to hold.
type teller struct {
	url     string
	seconds int
	page    *page
	mutex   sync.Mutex
	since   map[reason]time.Time // when it was last met
	bodies  chan string
}

func newTeller(ctx context.Context, url string, seconds int, page *page) *teller {
	t := &teller{url: url, seconds: seconds, page: page, since: map[reason]time.Time{}, bodies: make(chan string, 100)}
	go t.send(ctx)
	return t
}

// holds is true when it did not hold before.
func (t *teller) holds(kind, dst string, value float64, at time.Time) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	_, held := t.since[reason{kind, dst}]
	t.since[reason{kind, dst}] = at
	if held || t.url == "" {
		return !held
	}
	body := fmt.Sprintf(`{"kind":%q,"dst":%q,"value":%g,"window_seconds":%d}`, kind, dst, value, t.seconds)
	select {
	case t.bodies <- body:
	default:
		t.page.add("mesh_webhooks_total", "result", "dropped")
	}
	return true
}

func (t *teller) ceased(kind, dst string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	delete(t.since, reason{kind, dst})
}

// expire ends what was not met for a window.
func (t *teller) expire(now time.Time, window time.Duration) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for r, at := range t.since {
		if r.kind != "reset_streams" && now.Sub(at) > window {
			delete(t.since, r)
		}
	}
}

func (t *teller) send(ctx context.Context) {
	client := &http.Client{}
	for {
		select {
		case <-ctx.Done():
			return
		case body := <-t.bodies:
			limited, cancel := context.WithTimeout(ctx, 2*time.Second)
			result := "failed"
			request, err := http.NewRequestWithContext(limited, "POST", t.url, bytes.NewBufferString(body))
			if err == nil {
				request.Header.Set("Content-Type", "application/json")
				response, err := client.Do(request)
				if err == nil && response.StatusCode >= 200 && response.StatusCode < 300 {
					result = "sent"
				}
				if err == nil {
					response.Body.Close()
				}
			}
			cancel()
			t.page.add("mesh_webhooks_total", "result", result)
		}
	}
}
