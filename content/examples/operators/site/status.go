package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// report writes what was seen, and writes only when that differs from what is stored.
func (r *SiteReconciler) report(ctx context.Context, site *Site, d *appsv1.Deployment) error {
	before := site.DeepCopyObject().(*Site)

	site.Status.ObservedGeneration = site.Generation
	site.Status.ReadyReplicas = d.Status.ReadyReplicas
	meta.SetStatusCondition(&site.Status.Conditions, available(site, d))

	if equality.Semantic.DeepEqual(before.Status, site.Status) {
		return nil
	}
	return r.Status().Update(ctx, site)
}

// available leaves LastTransitionTime out: SetStatusCondition moves it when the status flips.
func available(site *Site, d *appsv1.Deployment) metav1.Condition {
	condition := metav1.Condition{
		Type:               "Available",
		Status:             metav1.ConditionFalse,
		Reason:             "ReplicasNotReady",
		Message:            fmt.Sprintf("%d of %d replicas are ready", d.Status.ReadyReplicas, site.Spec.Replicas),
		ObservedGeneration: site.Generation,
	}
	upToDate := d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas == site.Spec.Replicas
	if upToDate && d.Status.ReadyReplicas == site.Spec.Replicas {
		condition.Status = metav1.ConditionTrue
		condition.Reason = "AllReplicasReady"
	}
	return condition
}
