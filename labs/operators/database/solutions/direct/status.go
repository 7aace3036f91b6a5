package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	databasev1 "example.com/database-operator/api/v1"
)

// statusOf computes the status from a world in which the children are as they should be, or taken. What it
// relies on: when the StatefulSet was updated in this same pass, w holds the server's answer to that, whose
// generation is ahead of its status.observedGeneration.
func statusOf(w world) databasev1.DatabaseStatus {
	status := *w.database.Status.DeepCopy() // conditions of other types stay
	status.ObservedGeneration = w.database.Generation
	status.ReadyReplicas = 0
	ready := metav1.Condition{Type: databasev1.ConditionReady}
	progressing := metav1.Condition{Type: databasev1.ConditionProgressing}

	size := w.database.Spec.Size
	taken := takenNames(w)
	complete := false
	if sts := w.statefulSet; sts != nil && metav1.IsControlledBy(sts, w.database) {
		status.ReadyReplicas = sts.Status.ReadyReplicas
		complete = sts.Status.ObservedGeneration == sts.Generation &&
			sts.Status.Replicas == size && sts.Status.UpdatedReplicas == size
		progressing.Message = fmt.Sprintf("%d of %d replicas are up to date", sts.Status.UpdatedReplicas, size)
	}
	ready.Message = fmt.Sprintf("%d of %d replicas are ready", status.ReadyReplicas, size)

	switch {
	case len(taken) > 0:
		progressing.Status, progressing.Reason = metav1.ConditionFalse, databasev1.ReasonNameTaken
		progressing.Message = "This Database does not control what has its name: " + strings.Join(taken, " and ")
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, databasev1.ReasonNameTaken, progressing.Message
	case !complete:
		progressing.Status, progressing.Reason = metav1.ConditionTrue, databasev1.ReasonRollingOut
		ready.Status, ready.Reason = metav1.ConditionFalse, databasev1.ReasonReplicasNotReady
	default:
		progressing.Status, progressing.Reason = metav1.ConditionFalse, databasev1.ReasonRolledOut
		ready.Status, ready.Reason = metav1.ConditionFalse, databasev1.ReasonReplicasNotReady
		if status.ReadyReplicas == size {
			ready.Status, ready.Reason = metav1.ConditionTrue, databasev1.ReasonAllReplicasReady
		}
	}
	for _, condition := range []metav1.Condition{progressing, ready} {
		condition.ObservedGeneration = w.database.Generation
		meta.SetStatusCondition(&status.Conditions, condition) // moves lastTransitionTime with the status only
	}
	return status
}

// takenNames lists the kinds of which an object stands in our place that this very Database does not control.
func takenNames(w world) []string {
	var taken []string
	if w.statefulSet != nil && !metav1.IsControlledBy(w.statefulSet, w.database) {
		taken = append(taken, "StatefulSet")
	}
	if w.service != nil && !metav1.IsControlledBy(w.service, w.database) {
		taken = append(taken, "Service")
	}
	return taken
}
