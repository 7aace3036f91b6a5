// Command percentile compares the average of two instances' P99 with the P99 of all requests.
package main

import (
	"fmt"
	"slices"
	"time"
)

// p99 is the value that 99 of 100 stay at or below.
func p99(latencies []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(latencies))
	return sorted[(len(sorted)*99+99)/100-1]
}

// instance answers `total` requests, `slow` of them in three seconds, the others in twenty milliseconds.
func instance(total, slow int) []time.Duration {
	latencies := slices.Repeat([]time.Duration{20 * time.Millisecond}, total-slow)
	return append(latencies, slices.Repeat([]time.Duration{3 * time.Second}, slow)...)
}

func main() {
	busy, quiet := instance(9900, 0), instance(100, 5)
	fmt.Println("P99 of the busy instance:", p99(busy), " of the quiet one:", p99(quiet))
	fmt.Println("average of the two:", (p99(busy)+p99(quiet))/2)
	fmt.Println("P99 of all requests:", p99(append(busy, quiet...)))

	busy, quiet = instance(9900, 150), instance(100, 0)
	fmt.Println("now the busy one is slow; average:", (p99(busy)+p99(quiet))/2, " all requests:", p99(append(busy, quiet...)))
}
