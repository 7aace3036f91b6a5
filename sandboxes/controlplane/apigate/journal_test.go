package main

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

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
