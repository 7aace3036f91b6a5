package main

import (
	"math"
	"time"
)

const slotsASecond = 4

// window counts the events of its length, in slots of a quarter of a second that are used again and again.
type window struct{ slots []slot }

type slot struct {
	number int64 // since the epoch
	count  int
}

func newWindow(length time.Duration) *window {
	return &window{make([]slot, int(length/time.Second)*slotsASecond)}
}

func number(at time.Time) int64 { return at.UnixMilli() * slotsASecond / 1000 }

// add counts an event at its own time. It may come late, by less than the window's length.
func (w *window) add(at time.Time) {
	n := number(at)
	s := &w.slots[n%int64(len(w.slots))]
	if s.number > n {
		return
	}
	if s.number < n {
		*s = slot{number: n}
	}
	s.count++
}

func (w *window) sum(now time.Time) int {
	sum, n := 0, number(now)
	for _, s := range w.slots {
		if s.number/int64(len(w.slots)) == n/int64(len(w.slots)) {
			sum += s.count
		}
	}
	return sum
}

const (
	bucketsADouble = 8
	buckets        = 30 * bucketsADouble // up to 2^30 µs, a quarter of an hour
)

// histogram has buckets each of which is 9 % wider than the one before it.
type histogram struct {
	counts [buckets]uint64
	total  uint64
}

func (h *histogram) add(d time.Duration) {
	bucket := int(math.Log2(float64(max(1, d.Microseconds()))) * bucketsADouble)
	h.counts[min(bucket, buckets-1)]++
	h.total++
}

// p99 is the upper bound of the bucket below which 99 of 100 samples are.
func (h *histogram) p99() time.Duration {
	left := h.total / 100
	for bucket := buckets - 1; bucket > 0; bucket-- {
		if h.counts[bucket] > left {
			return time.Duration(math.Exp2(float64(bucket+1)/bucketsADouble)) * time.Microsecond
		}
		left -= h.counts[bucket]
	}
	return 0
}
