package main

import (
	"math"
	"time"
)

// window counts the events since the first one, until its length is over.
type window struct {
	length time.Duration
	begun  time.Time
	count  int
}

func newWindow(length time.Duration) *window { return &window{length: length} }

func (w *window) add(at time.Time) {
	if at.Sub(w.begun) >= w.length {
		w.begun, w.count = at, 0
	}
	w.count++
}

func (w *window) sum(now time.Time) int {
	if now.Sub(w.begun) >= w.length {
		return 0
	}
	return w.count
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
