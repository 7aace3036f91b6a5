// Command queue shows that a work queue holds keys, not events: many additions, few pieces of work.
package main

import (
	"fmt"

	"k8s.io/client-go/util/workqueue"
)

func main() {
	queue := workqueue.NewTyped[string]()

	for range 1000 {
		queue.Add("shop/orders")
	}
	fmt.Println("added 1000 times, waiting:", queue.Len())

	key, _ := queue.Get()
	for range 1000 {
		queue.Add(key)
	}
	fmt.Println("added 1000 times while a worker holds it, waiting:", queue.Len())

	queue.Done(key)
	fmt.Println("the worker is done, waiting:", queue.Len())
	queue.ShutDown()
}
