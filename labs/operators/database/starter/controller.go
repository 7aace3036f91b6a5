package main

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	databasev1 "example.com/database-operator/api/v1"
)

// registryNamespace holds the records, see "What it makes" in the brief.
const registryNamespace = "database-registry"

// DatabaseReconciler brings what is closer to what was asked for. Two things to hold on to:
//
//   - Reconcile is told which Database to look at, never what happened to it. Read, compare, act.
//   - It must be safe to run again at any moment, also after half of it was done.
type DatabaseReconciler struct {
	client.Client
}

// SetupWithManager says whose changes lead to a call of Reconcile. At the moment: Databases alone.
func (r *DatabaseReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&databasev1.Database{}).
		Complete(r)
}

// Reconcile looks at one Database. Rules 1 to 8 of the brief belong here; add files beside this one as
// you like.
func (r *DatabaseReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	log.FromContext(ctx).Info("A Database wants to be looked at", "database", req.NamespacedName)
	return ctrl.Result{}, nil
}
