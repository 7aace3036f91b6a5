package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// controlHandler serves the grader: PUT /faults?seed=, PUT /resume, GET /requests?since=&wait=, GET /healthz.
func (g *gate) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("PUT /faults", g.putFaults)
	mux.HandleFunc("PUT /resume", g.putResume)
	mux.HandleFunc("GET /requests", g.getRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, h *http.Request) {
		if !bearer(h, g.config.ControlToken) {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, h)
	})
}

func (g *gate) putFaults(w http.ResponseWriter, h *http.Request) {
	var rules []*rule
	decoder := json.NewDecoder(http.MaxBytesReader(w, h.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&rules); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, r := range rules {
		if message := r.check(); message != "" {
			http.Error(w, message, http.StatusBadRequest)
			return
		}
	}
	seed, err := strconv.ParseUint(h.URL.Query().Get("seed"), 10, 64)
	if err != nil {
		seed = 1
	}
	g.faults.set(rules, seed)
	w.WriteHeader(http.StatusNoContent)
}

// putResume ends the requests that a "block" rule holds; their connections are cut.
func (g *gate) putResume(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	close(g.release)
	g.release = make(chan struct{})
	g.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// getRequests answers at once when there is something after `since`, else waits up to `wait` seconds.
func (g *gate) getRequests(w http.ResponseWriter, h *http.Request) {
	since, _ := strconv.Atoi(h.URL.Query().Get("since"))
	wait, _ := strconv.ParseFloat(h.URL.Query().Get("wait"), 64)
	found, changed := g.journal.since(since)
	if len(found) == 0 && wait > 0 {
		select {
		case <-changed:
			found, _ = g.journal.since(since)
		case <-time.After(time.Duration(min(wait, 60) * float64(time.Second))):
		case <-h.Context().Done():
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found)
}
