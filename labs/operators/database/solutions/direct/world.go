package main

import (
	"context"
	"encoding/json"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	databasev1 "example.com/database-operator/api/v1"
)

// world is one Database and what stands under its name. A field is nil when there is no such object.
// The objects may be the mirrors' own: they are replaced here, never written to.
type world struct {
	database    *databasev1.Database
	statefulSet *appsv1.StatefulSet
	service     *corev1.Service
	record      *corev1.ConfigMap
}

// A step is one write. What it made of the world is in w afterwards.
type step struct {
	what string
	do   func(ctx context.Context, c *cluster, w *world) error
}

// next says which write brings the world closer to what the Database asks for, and nil when none does. As
// every write is found anew from what is, it does not matter where the last one, or the last process, stopped.
func next(w world) *step {
	db := w.database
	if db == nil {
		return nil
	}
	ours := slices.Contains(db.Finalizers, databasev1.CleanupFinalizer)
	if db.DeletionTimestamp != nil {
		switch {
		case !ours:
			return nil // somebody else's finalizer holds it, and we are done
		case w.record != nil:
			return &step{"delete record", deleteRecord}
		}
		return &step{"remove finalizer", removeFinalizer}
	}
	if !ours {
		return &step{"add finalizer", addFinalizer}
	}
	want, err := childrenOf(db)
	if err != nil {
		return &step{"understand the spec", func(context.Context, *cluster, *world) error { return err }}
	}
	for _, find := range []func(world, children) *step{nextOfStatefulSet, nextOfService, nextOfRecord} {
		if found := find(w, want); found != nil {
			return found
		}
	}
	if status := statusOf(w); !equality.Semantic.DeepEqual(status, db.Status) {
		return &step{"write status", writeStatus(status)}
	}
	return nil
}

func nextOfStatefulSet(w world, want children) *step {
	switch {
	case w.statefulSet == nil:
		return &step{"create StatefulSet", func(ctx context.Context, c *cluster, w *world) (err error) {
			w.statefulSet, err = made(c.statefulSets(want.statefulSet.Namespace).Create(ctx, want.statefulSet, metav1.CreateOptions{}))
			return err
		}}
	case !metav1.IsControlledBy(w.statefulSet, w.database):
		return nil // the name is taken; the status tells
	}
	restored := restoreStatefulSet(w.statefulSet, want.statefulSet)
	if equality.Semantic.DeepEqual(restored, w.statefulSet) {
		return nil
	}
	return &step{"update StatefulSet", func(ctx context.Context, c *cluster, w *world) (err error) {
		w.statefulSet, err = changed(c.statefulSets(restored.Namespace).Update(ctx, restored, metav1.UpdateOptions{}))
		return err
	}}
}

func nextOfService(w world, want children) *step {
	switch {
	case w.service == nil:
		return &step{"create Service", func(ctx context.Context, c *cluster, w *world) (err error) {
			w.service, err = made(c.services(want.service.Namespace).Create(ctx, want.service, metav1.CreateOptions{}))
			return err
		}}
	case !metav1.IsControlledBy(w.service, w.database):
		return nil
	}
	restored := restoreService(w.service, want.service)
	if equality.Semantic.DeepEqual(restored, w.service) {
		return nil
	}
	return &step{"update Service", func(ctx context.Context, c *cluster, w *world) (err error) {
		w.service, err = changed(c.services(restored.Namespace).Update(ctx, restored, metav1.UpdateOptions{}))
		return err
	}}
}

func nextOfRecord(w world, want children) *step {
	if w.record == nil {
		return &step{"create record", func(ctx context.Context, c *cluster, w *world) (err error) {
			w.record, err = made(c.records().Create(ctx, want.record, metav1.CreateOptions{}))
			return err
		}}
	}
	restored := restoreRecord(w.record, want.record)
	if equality.Semantic.DeepEqual(restored, w.record) {
		return nil
	}
	return &step{"update record", func(ctx context.Context, c *cluster, w *world) (err error) {
		w.record, err = changed(c.records().Update(ctx, restored, metav1.UpdateOptions{}))
		return err
	}}
}

func deleteRecord(ctx context.Context, c *cluster, w *world) error {
	err := c.records().Delete(ctx, recordName(keyOf(w.database)), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	w.record = nil
	return nil
}

func addFinalizer(ctx context.Context, c *cluster, w *world) error {
	return patchFinalizers(ctx, c, w, append(slices.Clone(w.database.Finalizers), databasev1.CleanupFinalizer))
}

func removeFinalizer(ctx context.Context, c *cluster, w *world) error {
	others := slices.DeleteFunc(slices.Clone(w.database.Finalizers), func(f string) bool {
		return f == databasev1.CleanupFinalizer
	})
	return patchFinalizers(ctx, c, w, others)
}

func patchFinalizers(ctx context.Context, c *cluster, w *world, finalizers []string) error {
	return patchDatabase(ctx, c, w, map[string]any{
		"metadata": map[string]any{"resourceVersion": w.database.ResourceVersion, "finalizers": finalizers},
	})
}

func writeStatus(status databasev1.DatabaseStatus) func(context.Context, *cluster, *world) error {
	return func(ctx context.Context, c *cluster, w *world) error {
		return patchDatabase(ctx, c, w, map[string]any{
			"metadata": map[string]any{"resourceVersion": w.database.ResourceVersion},
			"status":   status,
		}, "status")
	}
}

// patchDatabase sends only what we change: the Database is its user's, and a later version of the CRD may have
// fields that our types would lose. A merge patch replaces whole lists, so it names the resourceVersion that
// they were computed from and is refused when somebody was faster.
func patchDatabase(ctx context.Context, c *cluster, w *world, patch map[string]any, subresources ...string) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	client := c.databases(w.database.Namespace)
	w.database, err = changed(client.Patch(ctx, w.database.Name, types.MergePatchType, body, metav1.PatchOptions{}, subresources...))
	return err
}

// made takes the answer to a create; typed clients return an empty object with an error.
func made[T any](o *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return o, nil
}

// changed takes the answer to an update or a patch. That the object is gone is news, not a failure.
func changed[T any](o *T, err error) (*T, error) {
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return made(o, err)
}

// isNews reports whether err only says that the world is no longer as we saw it: nothing is wrong, we have to
// look again.
func isNews(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) ||
		// nothing can be made in a namespace that is being deleted; its Databases will be deleted too
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}
