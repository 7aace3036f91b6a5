package main

import (
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// mostRequests may be under way at once, watches and blocked ones among them; more are told to come later.
	mostRequests = 128
	// mostLists may be under way at once, more wait: the API server holds the whole of each in memory.
	mostLists = 2
	// longestURI is kept in every line of the audit log, as JSON has it there.
	longestURI = 4 << 10
	// longestWait is what a request is held back for the sake of a rate; then it is told to come later.
	longestWait = 2 * time.Second
)

// gate forwards the learner's requests.
type gate struct {
	config  config
	proxy   *httputil.ReverseProxy
	faults  faults
	journal journal
	bucket  bucket
	reading *allowance

	places chan struct{} // one for each request under way
	lists  chan struct{} // one for each list under way

	mu         sync.Mutex
	writes     int
	writeBytes int64
	release    chan struct{} // closed by /resume: blocked requests end
}

func newGate(c config, upstreamTLS *tls.Config) *gate {
	upstream, err := url.Parse(c.Upstream)
	if err != nil {
		log.Fatal(err)
	}
	g := &gate{
		config:  c,
		places:  make(chan struct{}, mostRequests),
		lists:   make(chan struct{}, mostLists),
		reading: newAllowance(c.MaxReadRate, c.ReadBurst),
		release: make(chan struct{}),
		bucket:  newBucket(c.MaxPerSecond),
	}
	g.journal.changed = make(chan struct{})
	g.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(upstream)
			for name := range p.Out.Header {
				// RBAC would refuse it as well, but who the learner's requests come from is said here only
				if strings.HasPrefix(name, "Impersonate-") || strings.HasPrefix(name, "X-Remote-") {
					delete(p.Out.Header, name)
				}
			}
			p.Out.Header.Set("Authorization", "Bearer "+c.UpstreamToken)
			p.Out.Header.Set("User-Agent", clip(p.Out.Header.Get("User-Agent"), longestUserAgent))
		},
		Transport:     &http.Transport{TLSClientConfig: upstreamTLS, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8},
		FlushInterval: -1,
		ErrorLog:      log.New(os.Stderr, "proxy: ", 0),
	}
	return g
}

// logged is how many bytes of the audit log an address takes: Go's JSON writes each of & < > as six.
func logged(uri string) int {
	return len(uri) + 5*(strings.Count(uri, "&")+strings.Count(uri, "<")+strings.Count(uri, ">"))
}

func bearer(h *http.Request, token string) bool {
	got := strings.TrimPrefix(h.Header.Get("Authorization"), "Bearer ")
	return subtle.ConstantTimeCompare([]byte(got), []byte(token)) == 1
}

func (g *gate) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	if !bearer(h, g.config.LearnerToken) {
		answer(w, http.StatusUnauthorized, "Unauthorized", "the token in KUBECONFIG is the only one that is accepted here")
		return
	}
	select {
	case g.places <- struct{}{}:
		defer func() { <-g.places }()
	default:
		answer(w, http.StatusTooManyRequests, "TooManyRequests", fmt.Sprintf("there are %d requests under way already", mostRequests))
		return
	}
	if logged(h.RequestURI) > longestURI {
		answer(w, http.StatusRequestURITooLong, "RequestURITooLong", fmt.Sprintf("the address is longer than %d bytes", longestURI))
		return
	}
	if !canonical(h.URL.Path) {
		answer(w, http.StatusBadRequest, "BadRequest", "the path has an empty part, a dot or two dots")
		return
	}
	q := parse(h)
	e := entry{request: q, UserAgent: clip(h.UserAgent(), longestUserAgent), begun: time.Now()}
	g.bucket.take()
	if wait := g.reading.wait(); wait > longestWait {
		e.Fault, e.Code = "budget", http.StatusTooManyRequests
		g.journal.add(e)
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
		answer(w, e.Code, "TooManyRequests", fmt.Sprintf("this run reads more than %d bytes a second: read from the informer's cache instead of listing again and again", g.config.MaxReadRate))
		return
	} else if wait > 0 {
		time.Sleep(wait)
	}
	w = &metered{w, g.reading}
	if q.Verb == "list" || q.Verb == "deletecollection" {
		select {
		case g.lists <- struct{}{}:
			defer func() { <-g.lists }()
		case <-h.Context().Done():
			return
		}
	}
	if writes(h) {
		spent := &spending{gate: g}
		h.Body = &countedBody{http.MaxBytesReader(w, h.Body, 3<<20), spent}
		w = &countedAnswer{w, spent}
		if message := g.overBudget(); message != "" {
			e.Fault, e.Code = "budget", http.StatusTooManyRequests
			g.journal.add(e)
			answer(w, http.StatusTooManyRequests, "TooManyRequests", message)
			return
		}
	}
	e.Fault = g.faults.pick(q)
	g.carryOut(w, h, e)
}

// carryOut does to one request what its fault asks, and records it.
func (g *gate) carryOut(w http.ResponseWriter, h *http.Request, e entry) {
	switch e.Fault {
	case "":
		g.forward(w, h, e)
	case "conflict":
		e.Code = http.StatusConflict
		g.journal.add(e)
		answer(w, e.Code, "Conflict", fmt.Sprintf("Operation cannot be fulfilled on %s %q: the object has been modified; please apply your changes to the latest version and try again", e.Resource, e.Name))
	case "429", "500", "503", "504":
		e.Code = map[string]int{"429": 429, "500": 500, "503": 503, "504": 504}[e.Fault]
		reason := map[string]string{"429": "TooManyRequests", "500": "InternalError", "503": "ServiceUnavailable", "504": "Timeout"}[e.Fault]
		g.journal.add(e)
		answer(w, e.Code, reason, "injected by the grader: the API server is having a bad moment")
	case "reset":
		g.journal.add(e)
		panic(http.ErrAbortHandler)
	case "drop_after_write":
		hidden := &discard{header: http.Header{}}
		if counted, ok := w.(*countedAnswer); ok {
			hidden.spent = counted.spent
		}
		g.proxy.ServeHTTP(hidden, h)
		e.Code = hidden.code
		g.journal.add(e)
		panic(http.ErrAbortHandler)
	case "block":
		g.journal.add(e)
		g.mu.Lock()
		release := g.release
		g.mu.Unlock()
		select {
		case <-release:
		case <-h.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
}

func (g *gate) forward(w http.ResponseWriter, h *http.Request, e entry) {
	if e.Verb == "watch" {
		e.Code = http.StatusOK
		g.journal.add(e)
		g.proxy.ServeHTTP(w, h)
		return
	}
	seen := &recorder{ResponseWriter: w, code: http.StatusOK}
	defer func() {
		e.Code = seen.code
		g.journal.add(e)
	}()
	g.proxy.ServeHTTP(seen, h)
}

// overBudget counts one write; what it says is for the learner.
func (g *gate) overBudget() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes++
	if g.config.MaxWrites > 0 && g.writes > g.config.MaxWrites {
		return fmt.Sprintf("this run has used up its %d writes", g.config.MaxWrites)
	}
	if g.config.MaxWriteBytes > 0 && g.writeBytes > g.config.MaxWriteBytes {
		return fmt.Sprintf("this run has used up its %d bytes of writes", g.config.MaxWriteBytes)
	}
	return ""
}

// answer writes a metav1.Status, as the API server would.
func answer(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{},
		"status": "Failure", "reason": reason, "message": message, "code": code,
	})
}

type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int)        { r.code = code; r.ResponseWriter.WriteHeader(code) }
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// spending adds up what one write costs: the larger of its body and its answer, for an object that a small
// patch changes is stored whole. It is charged before the learner sees the answer.
type spending struct {
	gate           *gate
	mu             sync.Mutex // the transport may still read the body when the answer has come
	body, answered int64
}

func (s *spending) add(body, answered int) {
	s.mu.Lock()
	before := max(s.body, s.answered)
	s.body += int64(body)
	s.answered += int64(answered)
	more := max(s.body, s.answered) - before
	s.mu.Unlock()
	s.gate.mu.Lock()
	s.gate.writeBytes += more
	s.gate.mu.Unlock()
}

type countedBody struct {
	io.ReadCloser
	spent *spending
}

func (c *countedBody) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.spent.add(n, 0)
	return n, err
}

type countedAnswer struct {
	http.ResponseWriter
	spent *spending
}

func (c *countedAnswer) Write(b []byte) (int, error) {
	c.spent.add(0, len(b))
	return c.ResponseWriter.Write(b)
}
func (c *countedAnswer) Unwrap() http.ResponseWriter { return c.ResponseWriter }

type discard struct {
	header http.Header
	code   int
	spent  *spending // nil for a read
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) Write(b []byte) (int, error) {
	if d.spent != nil {
		d.spent.add(0, len(b))
	}
	return len(b), nil
}
func (d *discard) WriteHeader(code int) { d.code = code }
