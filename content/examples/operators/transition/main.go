// Command transition shows when lastTransitionTime moves.
package main

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func main() {
	longAgo := metav1.NewTime(time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC))
	conditions := []metav1.Condition{{
		Type: "Ready", Status: metav1.ConditionFalse, Reason: "Pulling", LastTransitionTime: longAgo,
	}}
	set := func(what string, c metav1.Condition) {
		c.Type = "Ready"
		changed := meta.SetStatusCondition(&conditions, c)
		moved := !conditions[0].LastTransitionTime.Equal(&longAgo)
		fmt.Printf("%-22s changed %-5v  lastTransitionTime moved %v\n", what, changed, moved)
	}
	set("the same again", metav1.Condition{Status: metav1.ConditionFalse, Reason: "Pulling"})
	set("another reason", metav1.Condition{Status: metav1.ConditionFalse, Reason: "CrashLoop"})
	set("another message", metav1.Condition{Status: metav1.ConditionFalse, Reason: "CrashLoop", Message: "exit code 1"})
	set("a new generation", metav1.Condition{Status: metav1.ConditionFalse, Reason: "CrashLoop", Message: "exit code 1", ObservedGeneration: 2})
	set("the status flips", metav1.Condition{Status: metav1.ConditionTrue, Reason: "Serving", ObservedGeneration: 2})
}
