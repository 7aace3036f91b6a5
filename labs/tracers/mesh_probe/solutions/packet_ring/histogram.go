package main

import "math/bits"

// histogram counts microseconds in buckets that are a 32nd of their value wide.
type histogram struct {
	buckets []uint64
	samples uint64
}

const (
	precision  = 5
	linear     = 1 << precision
	minSamples = 50 // with fewer there is no percentile
)

func bucketOf(us uint32) int {
	if us < linear {
		return int(us)
	}
	shift := bits.Len32(us) - precision - 1
	return shift*linear + int(us>>shift)
}

// upperBound is the largest value of a bucket.
func upperBound(bucket int) uint64 {
	if bucket < 2*linear {
		return uint64(bucket)
	}
	shift := bucket/linear - 1
	return (uint64(bucket%linear+linear)+1)<<shift - 1
}

func (h *histogram) add(us uint32) {
	bucket := bucketOf(us)
	if bucket >= len(h.buckets) {
		h.buckets = append(h.buckets, make([]uint64, bucket+1-len(h.buckets))...)
	}
	h.buckets[bucket]++
	h.samples++
}

// p99 is the upper bound of the bucket of the 99th percentile, in seconds.
func (h *histogram) p99() (seconds float64, ok bool) {
	if h.samples < minSamples {
		return 0, false
	}
	rank := (h.samples*99 + 99) / 100 // rounded up
	for bucket, n := range h.buckets {
		if rank <= n {
			return float64(upperBound(bucket)) / 1e6, true
		}
		rank -= n
	}
	return 0, false
}
