package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

func (r *SiteReconciler) ensurePage(ctx context.Context, site *Site) (*corev1.ConfigMap, error) {
	page := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: site.Namespace, Name: site.Name + "-page"}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, page, func() error {
		page.Data = map[string]string{"page": site.Spec.Page}
		return controllerutil.SetControllerReference(site, page, r.Scheme())
	})
	return page, err
}

func (r *SiteReconciler) ensureDeployment(
	ctx context.Context, site *Site, page *corev1.ConfigMap,
) (*appsv1.Deployment, error) {
	labels := map[string]string{"app.kubernetes.io/name": "site", "app.kubernetes.io/instance": site.Name}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: site.Namespace, Name: site.Name}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, d, func() error {
		if d.CreationTimestamp.IsZero() {
			d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels} // immutable afterwards
		}
		d.Spec.Replicas = &site.Spec.Replicas
		d.Spec.Template.Labels = labels
		metav1.SetMetaDataAnnotation(&d.Spec.Template.ObjectMeta, "web.example.com/page-sha256", hash(site.Spec.Page))

		// Set fields; do not replace the whole list: the API server has put its defaults in there.
		if len(d.Spec.Template.Spec.Containers) == 0 {
			d.Spec.Template.Spec.Containers = make([]corev1.Container, 1)
		}
		web := &d.Spec.Template.Spec.Containers[0]
		web.Name = "web"
		web.Image = "registry.example.com/web:v1.0.0"
		web.Env = []corev1.EnvVar{{Name: "PAGE", ValueFrom: &corev1.EnvVarSource{
			ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: page.Name}, Key: "page",
			},
		}}}
		return controllerutil.SetControllerReference(site, d, r.Scheme())
	})
	return d, err
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
