// Command requeue returns an error together with RequeueAfter and counts what the controller makes of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

func main() {
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	calls, start := 0, time.Now()
	failing := reconcile.TypedFunc[string](func(context.Context, string) (reconcile.Result, error) {
		if calls++; calls == 6 {
			cancel()
		}
		return reconcile.Result{RequeueAfter: time.Hour}, errors.New("the database does not answer")
	})
	c, err := controller.NewTypedUnmanaged("requeue", controller.TypedOptions[string]{Reconciler: failing})
	if err != nil {
		panic(err)
	}
	once := source.TypedFunc[string](func(_ context.Context, q workqueue.TypedRateLimitingInterface[string]) error {
		q.Add("shop/orders")
		return nil
	})
	if err := c.Watch(once); err != nil {
		panic(err)
	}
	if err := c.Start(ctx); err != nil {
		panic(err)
	}
	fmt.Printf("asked for 1h0m0s; %d calls within a second: %v\n", calls, time.Since(start) < time.Second)
}
