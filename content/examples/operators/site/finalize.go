package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const finalizer = "web.example.com/address"

// One directory is shared by all sites of a namespace, so no single Site can own it:
// garbage collection will not remove the entry. That is what the finalizer is for.
func directoryOf(site *Site) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: site.Namespace, Name: "site-directory"}}
}

func (r *SiteReconciler) publishAddress(ctx context.Context, site *Site) error {
	directory := directoryOf(site)
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, directory, func() error {
		if directory.Data == nil {
			directory.Data = map[string]string{}
		}
		directory.Data[site.Name] = site.Name + "." + site.Namespace + ".svc"
		return nil
	})
	return err
}

// finalize may run any number of times: each step asks whether it still has to be done.
func (r *SiteReconciler) finalize(ctx context.Context, site *Site) error {
	if !controllerutil.ContainsFinalizer(site, finalizer) {
		return nil
	}
	if err := r.withdrawAddress(ctx, site); err != nil {
		return err // the finalizer stays; the next try starts from the top
	}
	controllerutil.RemoveFinalizer(site, finalizer)
	return client.IgnoreNotFound(r.Update(ctx, site))
}

func (r *SiteReconciler) withdrawAddress(ctx context.Context, site *Site) error {
	directory := directoryOf(site)
	if err := r.Get(ctx, client.ObjectKeyFromObject(directory), directory); err != nil {
		return client.IgnoreNotFound(err)
	}
	if _, listed := directory.Data[site.Name]; !listed {
		return nil
	}
	delete(directory.Data, site.Name)
	return r.Update(ctx, directory)
}
