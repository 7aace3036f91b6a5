package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"

	databasev1 "example.com/database-operator/api/v1"
)

const (
	workers = 8
	// The wait after a failure, doubled each time. The most is well below the 10 seconds that we have once a
	// fault is over.
	firstWait, longestWait = 10 * time.Millisecond, 2 * time.Second
	// A Database that is made takes five writes.
	maxSteps = 8
)

// operator follows four kinds and reconciles the Databases that they concern.
type operator struct {
	cluster *cluster
	metrics *metrics
	queue   workqueue.TypedRateLimitingInterface[types.NamespacedName]

	databases    *mirror[*databasev1.Database]
	statefulSets *mirror[*appsv1.StatefulSet]
	services     *mirror[*corev1.Service]
	records      *mirror[*corev1.ConfigMap]
}

func newOperator(c *cluster, m *metrics) *operator {
	o := &operator{cluster: c, metrics: m}
	o.queue = workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](firstWait, longestWait))
	o.databases = newMirror[*databasev1.Database](o.notice)
	// A child concerns the Database of its name, whoever owns it: so we hear of it when a taken name gets free.
	o.statefulSets = newMirror[*appsv1.StatefulSet](o.noticeChild)
	o.services = newMirror[*corev1.Service](o.noticeChild)
	o.records = newMirror[*corev1.ConfigMap](func(record types.NamespacedName) { o.noticeChild(databaseOfRecord(record)) })
	return o
}

// notice asks for a Database to be looked at. One that is waiting after a failure goes on waiting, or else its
// own events would undo the back-off; work makes up for what is left out here.
func (o *operator) notice(key types.NamespacedName) {
	if o.queue.NumRequeues(key) == 0 {
		o.queue.Add(key)
	}
}

// noticeChild drops what concerns no Database. Should the Database only be on its way, then its arrival is
// noticed, after this child was.
func (o *operator) noticeChild(key types.NamespacedName) {
	if o.databases.has(key) {
		o.notice(key)
	}
}

// run works until ctx is done and all workers have stopped.
func (o *operator) run(ctx context.Context) {
	go follow(ctx, o.databases, o.cluster.databases(metav1.NamespaceAll), "databases")
	go follow(ctx, o.statefulSets, o.cluster.statefulSets(metav1.NamespaceAll), "statefulsets")
	go follow(ctx, o.services, o.cluster.services(metav1.NamespaceAll), "services")
	go follow(ctx, o.records, o.cluster.records(), "records") // our rights end at this one namespace
	for _, synced := range []<-chan struct{}{o.databases.synced, o.statefulSets.synced, o.services.synced, o.records.synced} {
		select {
		case <-synced:
		case <-ctx.Done():
			return
		}
	}
	slog.Info("The mirrors are filled")

	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for o.work(ctx) {
			}
		})
	}
	<-ctx.Done()
	o.queue.ShutDown()
	running.Wait()
}

// work looks at one Database. It returns false when the queue is shut down.
func (o *operator) work(ctx context.Context) bool {
	key, shutdown := o.queue.Get()
	if shutdown {
		return false
	}
	defer o.queue.Done(key)
	writes, err := o.reconcile(ctx, key)
	waited := o.queue.NumRequeues(key) > 0
	if writes > 0 || err == nil {
		o.queue.Forget(key) // what fails now is not what failed before: the waits begin anew
	}
	switch {
	case ctx.Err() != nil:
	case err == nil:
		if waited {
			o.queue.Add(key) // notice may have left something out before Forget
		}
		o.metrics.count("success")
	case isNews(err):
		o.queue.AddRateLimited(key)
		o.metrics.count("requeue")
		slog.Info("Looking again", "database", key.String(), "because", err)
	default:
		o.queue.AddRateLimited(key)
		o.metrics.count("error")
		slog.Error("Trying again", "database", key.String(), "error", err)
	}
	return true
}

// reconcile makes the writes that are due, and returns how many succeeded.
//
// The mirrors can be behind our own writes. They are good enough to see that there is nothing to do, which is
// so nearly always: were they behind, the change on its way would call us again. Before anything is written,
// the API server itself is read.
func (o *operator) reconcile(ctx context.Context, key types.NamespacedName) (writes int, err error) {
	if next(o.remembered(key)) == nil {
		return 0, nil
	}
	w, err := o.cluster.look(ctx, key)
	if err != nil {
		return 0, err
	}
	for todo := next(w); todo != nil; todo = next(w) {
		if writes == maxSteps {
			// our writes do not stick, as with an admission webhook that undoes them: no progress, back off
			return 0, fmt.Errorf("%d writes in a row and still there is one to do: %s", writes, todo.what)
		}
		if err := todo.do(ctx, o.cluster, &w); err != nil {
			return writes, fmt.Errorf("%s: %w", todo.what, err)
		}
		writes++
		slog.Info("Done", "database", key.String(), "step", todo.what)
	}
	return writes, nil
}

func (o *operator) remembered(key types.NamespacedName) world {
	return world{
		database:    o.databases.get(key),
		statefulSet: o.statefulSets.get(key),
		service:     o.services.get(key),
		record:      o.records.get(types.NamespacedName{Namespace: registryNamespace, Name: recordName(key)}),
	}
}
