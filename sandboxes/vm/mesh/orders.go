package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// fieldLength is about the length of a header field that no table knows.
const fieldLength = 100

// wanted is how a request is to be answered. A request on the wire has only its token, so what will be answered
// cannot be learned from what was asked.
type wanted struct {
	exchangePlan
	// gone is closed when the server has learned that the client does not want the answer any more.
	gone chan struct{}
}

// orders are the answers that requests under way wait for, by token.
type orders struct {
	mutex *sync.Mutex
	known map[string]*wanted
}

func newOrders() orders { return orders{&sync.Mutex{}, map[string]*wanted{}} }

func (o orders) add(e exchangePlan) (string, *wanted) {
	token, want := randomName(), &wanted{exchangePlan: e, gone: make(chan struct{})}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.known[token] = want
	return token, want
}

// take gives each answer once. A path may lead to the token.
func (o orders) take(path string) *wanted {
	token := path[strings.LastIndexByte(path, '/')+1:]
	o.mutex.Lock()
	defer o.mutex.Unlock()
	want := o.known[token]
	delete(o.known, token)
	return want
}

// ServeHTTP answers as the order with the token in the path says.
func (o orders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	want := o.take(r.URL.Path)
	if want == nil {
		http.Error(w, "nobody asked for this", http.StatusTeapot)
		return
	}
	for i := range want.Headers / fieldLength {
		w.Header().Set(fmt.Sprintf("x-trace-%d", i), randomText(fieldLength-10))
	}
	if want.Ask == "goaway" {
		w.Header().Set("Connection", "close") // which HTTP/2 has no such field for: the server sends GOAWAY
	}
	if want.Early {
		w.WriteHeader(http.StatusEarlyHints)
	}
	pause(r.Context(), want.ThinkMS)
	w.WriteHeader(want.Status)
	if want.Body > 0 {
		_, _ = w.Write(make([]byte, want.Body))
	}
	switch want.Ask {
	case "cancel":
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(want.gone)
	case "abort":
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func randomName() string { return randomText(12) }

// randomText is new each time: no header table knows it.
func randomText(length int) string {
	raw := make([]byte, (length+1)/2)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)[:length]
}
