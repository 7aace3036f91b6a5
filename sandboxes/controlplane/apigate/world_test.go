package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is a gate in front of a server that remembers what reached it.
type world struct {
	*testing.T
	gate    *gate
	front   *httptest.Server
	control *httptest.Server
	mu      sync.Mutex
	reached []*http.Request
}

func newWorld(t *testing.T, c config) *world {
	w := &world{T: t}
	upstream := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, h *http.Request) {
		w.mu.Lock()
		w.reached = append(w.reached, h)
		w.mu.Unlock()
		_, _ = io.Copy(io.Discard, h.Body)
		if size := h.URL.Query().Get("size"); size != "" {
			var n int
			_, _ = fmt.Sscan(size, &n)
			_, _ = out.Write(bytes.Repeat([]byte("x"), n))
			return
		}
		_, _ = io.WriteString(out, "upstream")
	}))
	c.Upstream, c.LearnerToken, c.UpstreamToken, c.ControlToken = upstream.URL, "learner", "operator", "control"
	w.gate = newGate(c, nil)
	w.front = httptest.NewServer(w.gate)
	w.control = httptest.NewServer(w.gate.controlHandler())
	t.Cleanup(func() { w.front.Close(); w.control.Close(); upstream.Close() })
	return w
}

func (w *world) ask(base, token, method, path, body string, headers ...string) (int, string) {
	w.Helper()
	h, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if token != "" {
		h.Header.Set("Authorization", token)
	}
	for i := 0; i < len(headers); i += 2 {
		h.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(h)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

func (w *world) learn(method, path, body string, headers ...string) (int, string) {
	return w.ask(w.front.URL, "Bearer learner", method, path, body, headers...)
}

func (w *world) faults(rules string) {
	w.Helper()
	if code, text := w.ask(w.control.URL, "Bearer control", "PUT", "/faults?seed=1", rules); code != http.StatusNoContent {
		w.Fatal(code, text)
	}
}

func (w *world) journal(query string) (found []entry) {
	w.Helper()
	_, text := w.ask(w.control.URL, "Bearer control", "GET", "/requests"+query, "")
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		w.Fatal(err, text)
	}
	return found
}

// entries waits for n of them: an answer may reach the learner before its entry is made.
func (w *world) entries(n int) []entry {
	w.Helper()
	for begun := time.Now(); time.Since(begun) < 5*time.Second; {
		if found := w.journal(fmt.Sprintf("?wait=1&since=%d", n-1)); len(found) > 0 {
			break
		}
	}
	found := w.journal("")
	if len(found) != n {
		w.Fatalf("%d entries, not %d: %+v", len(found), n, found)
	}
	return found
}
