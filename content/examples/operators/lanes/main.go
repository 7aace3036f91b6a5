// Command lanes computes how many batches must run side by side to upgrade a fleet in a day.
package main

import (
	"fmt"
	"math"
	"time"
)

func main() {
	const fleet, atOnce = 3000, 2
	fmt.Printf("%d a day is one every %v\n", fleet, 24*time.Hour/fleet)
	for _, perStep := range []time.Duration{42 * time.Second, 187 * time.Second} {
		aDay := int(24*time.Hour/perStep) * atOnce
		lanes := math.Ceil(float64(fleet) / float64(aDay))
		fmt.Printf("%v a step, %d at once: %d a day in one lane; lanes needed: %v\n", perStep, atOnce, aDay, lanes)
	}
	for _, size := range []int{50, 100, 200, 400} {
		broken := int(math.Floor(float64(size)*0.005 + 1e-9))
		fmt.Printf("at least 99.5 %% of %d healthy: %d may be broken\n", size, broken)
	}
}
