package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

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

func TestWrongRulesAreRefused(t *testing.T) {
	w := newWorld(t, config{})
	for _, body := range []string{`[null]`, `{}`, `[{"kind":"x"}]`, `[{"kind":"500","wrong":1}]`, `nonsense`, `[{"kind":"500","count":-1}]`} {
		if code, _ := w.ask(w.control.URL, "Bearer control", "PUT", "/faults", body); code != http.StatusBadRequest {
			t.Errorf("%s gives %d", body, code)
		}
	}
}

func TestALongAddressIsRefused(t *testing.T) {
	w := newWorld(t, config{})
	for _, query := range []string{strings.Repeat("a", longestURI), strings.Repeat("&", longestURI/5)} {
		if code, _ := w.learn("GET", pods+"?labelSelector="+query, ""); code != http.StatusRequestURITooLong {
			t.Error(code)
		}
	}
}
