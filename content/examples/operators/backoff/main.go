// Command backoff asks the two rate limiters that controllers use how long a failing key must wait.
package main

import (
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
)

func main() {
	perKey := workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, 1000*time.Second)
	var total time.Duration
	for failure := 1; failure <= 20; failure++ {
		wait := perKey.When("shop/orders")
		total += wait
		fmt.Printf("failure %2d: wait %-10v since the first %v\n", failure, wait, total)
	}
	perKey.Forget("shop/orders")
	fmt.Println("after Forget:", perKey.When("shop/orders"))

	shared := workqueue.DefaultTypedControllerRateLimiter[string]()
	var hundredth, last time.Duration
	for key := 1; key <= 200; key++ {
		last = shared.When(fmt.Sprintf("shop/db-%d", key))
		if key == 100 {
			hundredth = last
		}
	}
	fmt.Println("with the shared bucket: key 100 waits", hundredth, "and key 200 waits", last.Round(time.Second))
}
