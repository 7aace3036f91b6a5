// Command defaults runs CreateOrUpdate on a Deployment in two ways and prints whether each run wrote.
package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// replaceList builds the container anew and so throws the API server's defaults away.
func replaceList(d *appsv1.Deployment) {
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "web:v1"}}
}

// setFields touches only what it has an opinion on.
func setFields(d *appsv1.Deployment) {
	if len(d.Spec.Template.Spec.Containers) == 0 {
		d.Spec.Template.Spec.Containers = make([]corev1.Container, 1)
	}
	web := &d.Spec.Template.Spec.Containers[0]
	web.Name, web.Image = "web", "web:v1"
}

func main() {
	c, err := client.New(ctrl.GetConfigOrDie(), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		panic(err)
	}
	show(c, "replace-list", replaceList)
	show(c, "set-fields", setFields)
}

func show(c client.Client, name string, fill func(*appsv1.Deployment)) {
	labels := map[string]string{"app": name}
	fmt.Printf("%-13s", name)
	for range 3 {
		var did controllerutil.OperationResult
		// The Deployment controller writes status at the same time: a conflict only means "read again".
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() (err error) {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
			did, err = controllerutil.CreateOrUpdate(context.Background(), c, d, func() error {
				d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
				d.Spec.Template.Labels = labels
				d.Spec.Replicas = new(int32)
				fill(d)
				return nil
			})
			return err
		})
		if err != nil {
			panic(err)
		}
		fmt.Printf(" %s", did)
	}
	fmt.Println()
}
