package main

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// SiteReconciler drives one Site at a time towards its spec.
type SiteReconciler struct {
	client.Client
}

// Reconcile looks at everything afresh. It is told a name, never what happened.
func (r *SiteReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var site Site
	if err := r.Get(ctx, req.NamespacedName, &site); err != nil {
		// Gone is a normal answer: the children follow by garbage collection.
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}

	if !site.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, &site)
	}

	// The finalizer must be stored before the first thing that only it can clean up.
	if controllerutil.AddFinalizer(&site, finalizer) {
		if err := r.Update(ctx, &site); err != nil {
			return ctrl.Result{}, err
		}
	}

	if err := r.publishAddress(ctx, &site); err != nil {
		return ctrl.Result{}, err
	}
	page, err := r.ensurePage(ctx, &site)
	if err != nil {
		return ctrl.Result{}, err
	}
	deployment, err := r.ensureDeployment(ctx, &site, page)
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.report(ctx, &site, deployment)
}
