// Command events sends 40 different events about one object in one instant and counts what is left.
package main

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"
)

func main() {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	correlator := record.NewEventCorrelator(clocktesting.NewFakeClock(now))
	kept, dropped := 0, 0
	for i := range 40 {
		result, err := correlator.EventCorrelate(&corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("orders.", i)},
			InvolvedObject: corev1.ObjectReference{Kind: "Database", Namespace: "shop", Name: "orders", UID: "1"},
			Source:         corev1.EventSource{Component: "database-operator"},
			Type:           corev1.EventTypeWarning,
			Reason:         fmt.Sprint("Reason", i),
			Message:        "something went wrong",
			FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now), Count: 1,
		})
		if err != nil {
			panic(err)
		}
		if result.Skip {
			dropped++
		} else {
			kept++
		}
	}
	fmt.Printf("40 events of one source about one object: %d sent, %d dropped\n", kept, dropped)
}
