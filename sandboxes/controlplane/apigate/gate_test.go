package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
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

const pods = "/api/v1/namespaces/a/pods"

func TestItSwapsTheToken(t *testing.T) {
	w := newWorld(t, config{})
	code, text := w.learn("GET", pods, "", "Impersonate-User", "grader", "X-Remote-User", "grader", "X-Own", "kept")
	if code != 200 || text != "upstream" {
		t.Fatal(code, text)
	}
	got := w.reached[0].Header
	if got.Get("Authorization") != "Bearer operator" || got.Get("X-Own") != "kept" {
		t.Error(got)
	}
	if got.Get("Impersonate-User") != "" || got.Get("X-Remote-User") != "" {
		t.Error("the learner says who the request comes from", got)
	}
}

func TestOtherTokensAreRefused(t *testing.T) {
	w := newWorld(t, config{})
	for _, token := range []string{"", "Bearer ", "Bearer", "Bearer operator", "Bearer control", "Bearer learner2", "Bearer learne", "bearer learner", "Basic learner"} {
		if code, _ := w.ask(w.front.URL, token, "GET", pods, ""); code != http.StatusUnauthorized {
			t.Errorf("front: %q gives %d", token, code)
		}
	}
	for _, token := range []string{"", "Bearer learner", "Bearer operator", "Bearer "} {
		for _, path := range []string{"/requests", "/healthz", "/faults", "/resume", "/"} {
			if code, _ := w.ask(w.control.URL, token, "GET", path, ""); code != http.StatusUnauthorized {
				t.Errorf("control: %q gives %d on %s", token, code, path)
			}
		}
	}
	if len(w.reached) > 0 || len(w.journal("")) > 0 {
		t.Error("something came through")
	}
}

func TestPathsOfTwoMeaningsAreRefused(t *testing.T) {
	w := newWorld(t, config{})
	for _, path := range []string{"/api//v1/pods", "/api/v1/../v1/pods", "/api/%2e%2e/v1", "/api/v1%2F%2Fpods", "//"} {
		if code, _ := w.learn("POST", path, "{}"); code != http.StatusBadRequest {
			t.Errorf("%s gives %d", path, code)
		}
	}
	if len(w.reached) > 0 {
		t.Error("something came through")
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		kind    string
		code    int
		reaches bool
	}{
		{"conflict", 409, false}, {"429", 429, false}, {"500", 500, false}, {"503", 503, false}, {"504", 504, false},
		{"reset", 0, false}, {"drop_after_write", 0, true},
	} {
		t.Run(c.kind, func(t *testing.T) {
			w := newWorld(t, config{})
			w.faults(`[{"verb":"write","kind":"` + c.kind + `","count":1}]`)
			if code, _ := w.learn("GET", pods, ""); code != 200 {
				t.Error("a read is disturbed", code)
			}
			code, text := w.learn("PUT", pods+"/b", "{}")
			if code != c.code {
				t.Error(code, text)
			}
			if got := len(w.reached) == 2; got != c.reaches {
				t.Error("reached the API server:", got)
			}
			if code != 0 && !strings.Contains(text, `"kind":"Status"`) {
				t.Error(text)
			}
			if code, _ := w.learn("PUT", pods+"/b", "{}"); code != 200 {
				t.Error("more than one fault", code)
			}
			entries := w.entries(3)
			if entries[1].Fault != c.kind || entries[2].Fault != "" {
				t.Errorf("%+v", entries)
			}
		})
	}
}

func TestABlockedRequestEndsWithResume(t *testing.T) {
	w := newWorld(t, config{})
	w.faults(`[{"verb":"write","kind":"block"}]`)
	done := make(chan int)
	go func() {
		code, _ := w.learn("PUT", pods+"/b", "{}")
		done <- code
	}()
	if entries := w.journal("?wait=10"); len(entries) != 1 || entries[0].Fault != "block" {
		t.Fatalf("%+v", entries)
	}
	select {
	case code := <-done:
		t.Fatal("it was answered", code)
	case <-time.After(50 * time.Millisecond):
	}
	if code, _ := w.ask(w.control.URL, "Bearer control", "PUT", "/resume", ""); code != http.StatusNoContent {
		t.Fatal(code)
	}
	if code := <-done; code != 0 {
		t.Error("its connection was not cut", code)
	}
	if len(w.reached) > 0 {
		t.Error("it reached the API server")
	}
}

func TestTheBudgetOfWrites(t *testing.T) {
	w := newWorld(t, config{MaxWrites: 2})
	want := []int{200, 200, 200, 429}
	for i, ask := range []struct{ method, path string }{{"POST", pods}, {"GET", pods}, {"POST", "/unknown"}, {"DELETE", pods}} {
		if code, _ := w.learn(ask.method, ask.path, "{}"); code != want[i] {
			t.Errorf("%+v gives %d, want %d", ask, code, want[i])
		}
	}
	if entries := w.entries(4); entries[3].Fault != "budget" {
		t.Errorf("%+v", entries[3])
	}
}

func TestTheBudgetOfBytesCountsWhatIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		body, query string
	}{
		"a large request":                    {strings.Repeat("x", 600), ""},
		"a small patch of a large object":    {"{}", "?size=600"},
		"a small request with a long answer": {"", "?size=600"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config{MaxWriteBytes: 1000})
			want := []int{200, 200, 429}
			for i := range want {
				if code, _ := w.learn("PATCH", pods+"/b"+c.query, c.body); code != want[i] {
					t.Errorf("write %d gives %d, want %d", i, code, want[i])
				}
			}
		})
	}
}

func TestReadsCostNoBytes(t *testing.T) {
	w := newWorld(t, config{MaxWriteBytes: 1000})
	for range 3 {
		if code, _ := w.learn("GET", pods+"?size=5000", ""); code != 200 {
			t.Error(code)
		}
	}
	if code, _ := w.learn("POST", pods, "{}"); code != 200 {
		t.Error(code)
	}
}

func TestAnUnknownLengthIsCountedToo(t *testing.T) {
	w := newWorld(t, config{MaxWriteBytes: 1000})
	for i, want := range []int{200, 429} {
		h, _ := http.NewRequest("POST", w.front.URL+pods, io.MultiReader(strings.NewReader(strings.Repeat("x", 2000))))
		h.Header.Set("Authorization", "Bearer learner")
		response, err := http.DefaultClient.Do(h)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("write %d gives %d", i, response.StatusCode)
		}
	}
}

func TestTooManyAtOnceAreToldSo(t *testing.T) {
	w := newWorld(t, config{})
	for range mostRequests {
		w.gate.places <- struct{}{}
	}
	if code, _ := w.learn("GET", pods, ""); code != http.StatusTooManyRequests {
		t.Error(code)
	}
	<-w.gate.places
	if code, _ := w.learn("GET", pods, ""); code != 200 {
		t.Error(code)
	}
	for begun := time.Now(); len(w.gate.places) != mostRequests-1; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 5*time.Second {
			t.Fatal("a place was not given back")
		}
	}
}

func TestWrongRulesAreRefused(t *testing.T) {
	w := newWorld(t, config{})
	for _, body := range []string{`[null]`, `{}`, `[{"kind":"x"}]`, `[{"kind":"500","wrong":1}]`, `nonsense`, `[{"kind":"500","count":-1}]`} {
		if code, _ := w.ask(w.control.URL, "Bearer control", "PUT", "/faults", body); code != http.StatusBadRequest {
			t.Errorf("%s gives %d", body, code)
		}
	}
}

func TestTheJournal(t *testing.T) {
	w := newWorld(t, config{})
	w.learn("GET", pods, "", "User-Agent", strings.Repeat("u", 5000))
	w.learn("POST", pods, "{}")
	entries := w.entries(2)
	if entries[0].Seq != 1 || entries[1].Seq != 2 || entries[1].Verb != "create" || entries[1].Code != 200 {
		t.Fatalf("%+v", entries)
	}
	if len(entries[0].UserAgent) != longestUserAgent {
		t.Error("a user agent of", len(entries[0].UserAgent))
	}
	if entries[0].At > entries[0].Ended || entries[0].Ended > entries[1].Ended {
		t.Errorf("%+v", entries)
	}
	if got := w.journal("?since=1"); len(got) != 1 || got[0].Seq != 2 {
		t.Errorf("%+v", got)
	}
	begun := time.Now()
	if got := w.journal("?since=2&wait=0.05"); len(got) != 0 || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("%+v", got)
	}
}

func TestTheJournalIsBounded(t *testing.T) {
	j := journal{changed: make(chan struct{})}
	for range journalLimit + 10 {
		j.add(entry{})
	}
	found, _ := j.since(0)
	if len(found) != journalLimit || found[0].Seq != 11 || found[len(found)-1].Seq != journalLimit+10 {
		t.Error(len(found), found[0].Seq)
	}
}

func TestAFullJournalFitsIntoItsMemory(t *testing.T) {
	w := newWorld(t, config{})
	long := strings.Repeat("x", longestName)
	for range journalLimit {
		// a copy each: the parts of one path share their bytes
		w.gate.journal.add(entry{request: parse(&http.Request{Method: "PUT", URL: &url.URL{
			Path: strings.Join([]string{"/apis", long, "v1/namespaces", long, long, long, long}, "/"),
		}}), UserAgent: strings.Clone(long[:longestUserAgent])})
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if before.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB", before.HeapAlloc>>20)
	}
	if got := w.journal("?since=" + fmt.Sprint(journalLimit-1)); len(got) != 1 {
		t.Error(len(got))
	}
}

func TestTheBucketMakesHotLoopsWait(t *testing.T) {
	b := newBucket(100)
	begun := time.Now()
	for range 110 {
		b.take()
	}
	if took := time.Since(begun); took < 50*time.Millisecond || took > 5*time.Second {
		t.Error(took)
	}
	newBucket(0).take()
}

func TestTheListenerHoldsBack(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Listener = limit(server.Listener, 1)
	server.Start()
	defer server.Close()
	one := &http.Client{Transport: &http.Transport{}}
	other := &http.Client{Transport: &http.Transport{}, Timeout: 100 * time.Millisecond}
	response, err := one.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if _, err := other.Get(server.URL); err == nil {
		t.Error("a second connection was taken")
	}
	one.CloseIdleConnections()
	other.Timeout = 5 * time.Second
	if response, err = other.Get(server.URL); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	other.CloseIdleConnections()
}

func TestWhoReadsTooMuchIsToldToComeLater(t *testing.T) {
	w := newWorld(t, config{MaxReadRate: 1000, ReadBurst: 2000})
	for i, want := range []int{200, 429} {
		code, text := w.learn("GET", pods+"?size=9000", "")
		if code != want {
			t.Errorf("read %d gives %d: %.200s", i, code, text)
		}
		if want == 429 && !strings.Contains(text, "cache") {
			t.Error("it does not say what to do:", text)
		}
	}
	if found := w.entries(2); found[1].Fault != "budget" {
		t.Error(found[1])
	}
}

func TestASmallDebtIsWaitedOff(t *testing.T) {
	a := newAllowance(1000, 100)
	if wait := a.wait(); wait != 0 {
		t.Error(wait)
	}
	a.spend(600)
	if wait := a.wait(); wait < 400*time.Millisecond || wait > 500*time.Millisecond {
		t.Error(wait)
	}
	if wait := newAllowance(0, 0).wait(); wait != 0 {
		t.Error(wait)
	}
}

func TestListsWaitForEachOther(t *testing.T) {
	w := newWorld(t, config{})
	for range mostLists {
		w.gate.lists <- struct{}{}
	}
	listed := make(chan int)
	go func() {
		code, _ := w.learn("GET", pods, "")
		listed <- code
	}()
	if code, _ := w.learn("GET", pods+"/one", ""); code != 200 {
		t.Error("a read of one object waits too:", code)
	}
	select {
	case code := <-listed:
		t.Error("one list more than may be:", code)
	default:
	}
	<-w.gate.lists
	if code := <-listed; code != 200 {
		t.Error(code)
	}
}

func TestALongAddressIsRefused(t *testing.T) {
	w := newWorld(t, config{})
	if code, _ := w.learn("GET", pods+"?labelSelector="+strings.Repeat("a", longestURI), ""); code != http.StatusRequestURITooLong {
		t.Error(code)
	}
}
