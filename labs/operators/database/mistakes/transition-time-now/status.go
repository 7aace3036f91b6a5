package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	databasev1 "example.com/database-operator/api/v1"
)

// statusOf tells what is, from the StatefulSet's own report. sts must be the answer of our last read or
// write, never older than it: its generation is how we know whether the report is about our template.
func statusOf(db *databasev1.Database, sts *appsv1.StatefulSet) databasev1.DatabaseStatus {
	status := newStatus(db, sts.Status.ReadyReplicas)
	told := fmt.Sprintf("%d of %d replicas are ready", status.ReadyReplicas, db.Spec.Size)

	complete := rolledOut(db, sts)
	setCondition(&status, databasev1.ConditionProgressing, !complete,
		databasev1.ReasonRollingOut, databasev1.ReasonRolledOut,
		fmt.Sprintf("%d of %d replicas are of the current revision", sts.Status.UpdatedReplicas, db.Spec.Size))
	setCondition(&status, databasev1.ConditionReady, complete && status.ReadyReplicas == db.Spec.Size,
		databasev1.ReasonAllReplicasReady, databasev1.ReasonReplicasNotReady, told)
	return status
}

// nameTakenStatus tells that a child could not be made. sts may be somebody else's or not exist.
func nameTakenStatus(db *databasev1.Database, sts *appsv1.StatefulSet) databasev1.DatabaseStatus {
	var ready int32
	if metav1.IsControlledBy(sts, db) {
		ready = sts.Status.ReadyReplicas
	}
	status := newStatus(db, ready)
	for _, kind := range []string{databasev1.ConditionProgressing, databasev1.ConditionReady} {
		setCondition(&status, kind, false, "", databasev1.ReasonNameTaken, errNameTaken.Error())
	}
	return status
}

// rolledOut: has the StatefulSet controller seen our template and put it into every pod?
func rolledOut(db *databasev1.Database, sts *appsv1.StatefulSet) bool {
	return sts.Status.ObservedGeneration == sts.Generation &&
		sts.Status.Replicas == db.Spec.Size &&
		sts.Status.UpdatedReplicas == db.Spec.Size
}

// newStatus starts from the conditions that are there, because they know when they last changed.
func newStatus(db *databasev1.Database, ready int32) databasev1.DatabaseStatus {
	status := *db.Status.DeepCopy()
	status.ObservedGeneration = db.Generation
	status.ReadyReplicas = ready
	return status
}

// setCondition leaves lastTransitionTime alone unless the condition's status changes.
func setCondition(
	status *databasev1.DatabaseStatus, kind string, holds bool, reasonTrue, reasonFalse, message string,
) {
	condition := metav1.Condition{
		Type:               kind,
		Status:             metav1.ConditionFalse,
		ObservedGeneration: status.ObservedGeneration,
		Reason:             reasonFalse,
		Message:            message,
	}
	if holds {
		condition.Status, condition.Reason = metav1.ConditionTrue, reasonTrue
	}
	old := meta.FindStatusCondition(status.Conditions, kind)
	if old != nil && old.Status == condition.Status && old.Message == condition.Message &&
		old.Reason == condition.Reason && old.ObservedGeneration == condition.ObservedGeneration {
		return
	}
	meta.RemoveStatusCondition(&status.Conditions, kind)
	condition.LastTransitionTime = metav1.Now()
	meta.SetStatusCondition(&status.Conditions, condition)
}

// writeStatus sends the status when it differs. Update, not Patch: computed from an outdated Database it
// must be refused, and then we compute it again.
func (r *DatabaseReconciler) writeStatus(
	ctx context.Context, db *databasev1.Database, status databasev1.DatabaseStatus,
) error {
	if equality.Semantic.DeepEqual(db.Status, status) {
		return nil
	}
	db.Status = status
	return r.Status().Update(ctx, db)
}
