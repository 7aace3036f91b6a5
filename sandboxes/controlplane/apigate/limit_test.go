package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

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
