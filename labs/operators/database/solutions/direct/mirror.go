package main

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// An object is what every kind's Go type is.
type object interface {
	runtime.Object
	metav1.Object
}

// mirror holds all objects of one kind as a watch reports them, and calls changed for each that came, changed
// or went. It is the store that a reflector writes into. An informer would do the same in more steps; what we
// need and it does not offer is a say in the reflector's back-off, which grows to a minute.
type mirror[T object] struct {
	changed func(types.NamespacedName) // called after the mirror shows the change
	synced  chan struct{}              // closed once the first list is here

	mu      sync.RWMutex
	objects map[types.NamespacedName]T
	once    sync.Once
}

func newMirror[T object](changed func(types.NamespacedName)) *mirror[T] {
	return &mirror[T]{changed: changed, synced: make(chan struct{}), objects: map[types.NamespacedName]T{}}
}

// A source is the part of a typed client that a reflector needs.
type source[L runtime.Object] interface {
	List(ctx context.Context, options metav1.ListOptions) (L, error)
	Watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
}

// follow keeps m as `from` is, until ctx is done. Failures and cut watches are tried again, after 2 seconds at most.
func follow[T object, L runtime.Object](ctx context.Context, m *mirror[T], from source[L], name string) {
	var kind T
	lists := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return from.List(ctx, options)
		},
		WatchFuncWithContext: from.Watch,
	}
	cache.NewReflectorWithOptions(lists, kind, m, cache.ReflectorOptions{
		Name:    name,
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 10, Cap: 2 * time.Second},
	}).RunWithContext(ctx)
}

func keyOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// get returns the object itself, not a copy: do not write to it. It is nil when there is none.
func (m *mirror[T]) get(key types.NamespacedName) T {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.objects[key]
}

func (m *mirror[T]) has(key types.NamespacedName) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, found := m.objects[key]
	return found
}

// Add and the methods below keep cache.ReflectorStore.
func (m *mirror[T]) Add(o any) error { return m.Update(o) }

func (m *mirror[T]) Update(o any) error {
	arrived := o.(T)
	m.mu.Lock()
	m.objects[keyOf(arrived)] = arrived
	m.mu.Unlock()
	m.changed(keyOf(arrived))
	return nil
}

func (m *mirror[T]) Delete(o any) error {
	key := keyOf(o.(T))
	m.mu.Lock()
	delete(m.objects, key)
	m.mu.Unlock()
	m.changed(key)
	return nil
}

// Replace is given a whole list: at the start, and after a watch was lost. What vanished in between has to be
// noticed too; nobody will tell of it again.
func (m *mirror[T]) Replace(list []any, _ string) error {
	now := make(map[types.NamespacedName]T, len(list))
	for _, o := range list {
		now[keyOf(o.(T))] = o.(T)
	}
	m.mu.Lock()
	before := m.objects
	m.objects = now
	m.mu.Unlock()
	for key, o := range now {
		if old, found := before[key]; !found || old.GetResourceVersion() != o.GetResourceVersion() {
			m.changed(key)
		}
	}
	for key := range before {
		if _, found := now[key]; !found {
			m.changed(key)
		}
	}
	m.once.Do(func() { close(m.synced) })
	return nil
}

func (m *mirror[T]) Resync() error { return nil }
