package main

import (
	"net/http"
	"sync"
	"time"
)

// allowance is a rate of bytes that are counted after they were given: who took too much waits before the next.
type allowance struct {
	mu    sync.Mutex
	rate  float64 // bytes a second; 0 is without bound
	burst float64
	left  float64 // negative is debt
	at    time.Time
}

func newAllowance(rate, burst int64) *allowance {
	return &allowance{rate: float64(rate), burst: float64(burst), left: float64(burst), at: time.Now()}
}

func (a *allowance) refill() {
	now := time.Now()
	a.left = min(a.burst, a.left+a.rate*now.Sub(a.at).Seconds())
	a.at = now
}

func (a *allowance) spend(bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refill()
	a.left -= float64(bytes)
}

// wait says how long the debt takes to be worked off.
func (a *allowance) wait() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rate <= 0 {
		return 0
	}
	a.refill()
	return time.Duration(max(0, -a.left) / a.rate * float64(time.Second))
}

// metered counts what the learner is given.
type metered struct {
	http.ResponseWriter
	meter *allowance
}

func (m *metered) Write(b []byte) (int, error) {
	m.meter.spend(len(b))
	return m.ResponseWriter.Write(b)
}
func (m *metered) Unwrap() http.ResponseWriter { return m.ResponseWriter }
