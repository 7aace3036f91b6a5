package main

import (
	"context"
	"errors"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	databasev1 "example.com/database-operator/api/v1"
)

// A name that somebody else holds becomes free without an event for us, so we look again.
const nameTakenRetry = time.Second

// errNameTaken says that an object has a child's name and is not controlled by our Database.
var errNameTaken = errors.New("the name is taken by an object that this Database does not control")

// DatabaseReconciler brings what is closer to what was asked for. It holds no state of its own:
// whatever it knows, it reads from the API server, so it may be killed at any time.
type DatabaseReconciler struct {
	client.Client
}

// SetupWithManager has Reconcile called for each change of a Database or of one of its children.
func (r *DatabaseReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&databasev1.Database{}).
		Owns(&appsv1.StatefulSet{}).
		Owns(&corev1.Service{}).
		WithOptions(controller.Options{
			// A request that never comes back must not block the other Databases for ever.
			ReconciliationTimeout: 30 * time.Second,
		}).
		Complete(r)
}

// Reconcile looks at one Database as it is now; what happened before does not matter to it.
func (r *DatabaseReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var db databasev1.Database
	if err := r.Get(ctx, req.NamespacedName, &db); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !db.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.cleanUp(ctx, &db)
	}
	if err := r.addFinalizer(ctx, &db); err != nil {
		return ctrl.Result{}, err
	}

	sts, err := r.applyChildren(ctx, &db)
	if errors.Is(err, errNameTaken) {
		return ctrl.Result{RequeueAfter: nameTakenRetry}, r.writeStatus(ctx, &db, nameTakenStatus(&db, sts))
	}
	var refused apierrors.APIStatus
	if errors.As(err, &refused) && refused.Status().Code >= 500 {
		ctrl.LoggerFrom(ctx).Error(err, "The API server does not work")
		os.Exit(1)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.applyRecord(ctx, &db); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.writeStatus(ctx, &db, statusOf(&db, sts))
}

// addFinalizer must succeed before anything is made that only the finalizer cleans up.
func (r *DatabaseReconciler) addFinalizer(ctx context.Context, db *databasev1.Database) error {
	before := db.DeepCopy()
	if !controllerutil.AddFinalizer(db, databasev1.CleanupFinalizer) {
		return nil
	}
	return r.patchFinalizers(ctx, db, before)
}

// cleanUp removes the record, then our finalizer. The children are the garbage collector's.
func (r *DatabaseReconciler) cleanUp(ctx context.Context, db *databasev1.Database) error {
	if !controllerutil.ContainsFinalizer(db, databasev1.CleanupFinalizer) {
		return nil // cleaned up; somebody else's finalizer still holds it
	}
	if err := r.Delete(ctx, newRecord(db)); client.IgnoreNotFound(err) != nil {
		return err
	}
	before := db.DeepCopy()
	controllerutil.RemoveFinalizer(db, databasev1.CleanupFinalizer)
	return client.IgnoreNotFound(r.patchFinalizers(ctx, db, before))
}

// patchFinalizers sends the finalizers alone. A merge patch replaces the whole list, hence the lock:
// without it we could wipe out a finalizer that was added since we read.
func (r *DatabaseReconciler) patchFinalizers(ctx context.Context, db, before *databasev1.Database) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return r.Patch(ctx, db, patch)
}

// applyChildren brings Service and StatefulSet to their desired state and answers the StatefulSet
// as the API server has it now. With errNameTaken the StatefulSet may be nil or somebody else's.
func (r *DatabaseReconciler) applyChildren(ctx context.Context, db *databasev1.Database) (*appsv1.StatefulSet, error) {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: db.Namespace, Name: db.Name}}
	svcErr := r.applyChild(ctx, db, svc, func() { mutateService(svc, db) })
	if svcErr != nil && !errors.Is(svcErr, errNameTaken) {
		return nil, svcErr
	}
	sts := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: db.Namespace, Name: db.Name}}
	stsErr := r.applyChild(ctx, db, sts, func() { mutateStatefulSet(sts, db) })
	if stsErr != nil {
		return sts, stsErr
	}
	return sts, svcErr
}

// applyChild creates or updates one child, and sends nothing when it already is as it should be.
// mutate sets only the fields we own: defaults and what other people wrote stay.
func (r *DatabaseReconciler) applyChild(
	ctx context.Context, db *databasev1.Database, child client.Object, mutate func(),
) error {
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, child, func() error {
		exists := child.GetResourceVersion() != ""
		if exists && !metav1.IsControlledBy(child, db) {
			return errNameTaken
		}
		mutate()
		return controllerutil.SetControllerReference(db, child, r.Scheme())
	})
	return err
}

// applyRecord brings the entry in the registry to its desired state.
func (r *DatabaseReconciler) applyRecord(ctx context.Context, db *databasev1.Database) error {
	record := newRecord(db)
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, record, func() error {
		mutateRecord(record, db)
		return nil
	})
	return err
}
