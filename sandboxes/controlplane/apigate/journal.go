package main

import (
	"sync"
	"time"
)

// entry is one request as the grader sees it. A blocked request is entered when it arrives, any other
// when it has been answered; At and Ended are Unix seconds.
type entry struct {
	request
	Seq       int     `json:"seq"`
	At        float64 `json:"at"`
	Ended     float64 `json:"ended"`
	Code      int     `json:"code"`
	Fault     string  `json:"fault,omitempty"`
	UserAgent string  `json:"user_agent,omitempty"`
	begun     time.Time
}

// Together with longestName they bound the journal to a part of the memory that apigate may have.
const (
	journalLimit     = 20_000
	longestUserAgent = 128
)

type journal struct {
	mu      sync.Mutex
	entries []entry
	last    int
	changed chan struct{}
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (j *journal) add(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq, e.At, e.Ended = j.last, seconds(e.begun), seconds(time.Now())
	j.entries = append(j.entries, e)
	if len(j.entries) > journalLimit {
		j.entries = j.entries[len(j.entries)-journalLimit:]
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// since returns the entries after seq, and a channel that is closed when there is a newer one.
func (j *journal) since(seq int) ([]entry, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	found := []entry{}
	for i := len(j.entries) - 1; i >= 0 && j.entries[i].Seq > seq; i-- {
		found = append(found, j.entries[i])
	}
	for a, b := 0, len(found)-1; a < b; a, b = a+1, b-1 {
		found[a], found[b] = found[b], found[a]
	}
	return found, j.changed
}

// bucket is a token bucket that makes callers wait; it keeps a hot loop from starving the machine.
type bucket struct {
	mu    *sync.Mutex
	next  *time.Time
	every time.Duration
	burst time.Duration
}

func newBucket(perSecond int) bucket {
	b := bucket{mu: &sync.Mutex{}, next: &time.Time{}}
	if perSecond > 0 {
		b.every = time.Second / time.Duration(perSecond)
		b.burst = time.Second
	}
	return b
}

func (b bucket) take() {
	if b.every == 0 {
		return
	}
	b.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-b.burst); b.next.Before(earliest) {
		*b.next = earliest
	}
	*b.next = b.next.Add(b.every)
	wait := b.next.Sub(now)
	b.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
}
