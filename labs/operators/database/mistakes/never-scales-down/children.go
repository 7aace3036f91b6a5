package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	databasev1 "example.com/database-operator/api/v1"
)

const (
	registryNamespace = "database-registry"
	containerName     = "database"
	portName          = "db"
)

type engine struct {
	image string
	port  int32
}

// The CRD admits these three and no other.
var engines = map[databasev1.Engine]engine{
	databasev1.Postgres: {"registry.example.com/postgres:17.6", 5432},
	databasev1.MySQL:    {"registry.example.com/mysql:8.4", 3306},
	databasev1.Redis:    {"registry.example.com/redis:8.2", 6379},
}

func selectorOf(db *databasev1.Database) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":     "database",
		"app.kubernetes.io/instance": db.Name,
	}
}

// withLabels answers labels with ours set; the others stay.
func withLabels(labels map[string]string, db *databasev1.Database) map[string]string {
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range selectorOf(db) {
		labels[key] = value
	}
	labels["app.kubernetes.io/managed-by"] = "database-operator"
	return labels
}

func mutateService(svc *corev1.Service, db *databasev1.Database) {
	port := engines[db.Spec.Engine].port
	svc.Labels = withLabels(svc.Labels, db)
	svc.Spec.ClusterIP = corev1.ClusterIPNone
	svc.Spec.Selector = selectorOf(db)
	svc.Spec.Ports = []corev1.ServicePort{{
		Name: portName, Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromInt32(port),
	}}
}

func mutateStatefulSet(sts *appsv1.StatefulSet, db *databasev1.Database) {
	sts.Labels = withLabels(sts.Labels, db)
	if sts.Spec.Replicas == nil || *sts.Spec.Replicas < db.Spec.Size {
		sts.Spec.Replicas = &db.Spec.Size
	}
	if sts.ResourceVersion == "" { // these two cannot be changed later
		sts.Spec.ServiceName = db.Name
		sts.Spec.Selector = &metav1.LabelSelector{MatchLabels: selectorOf(db)}
	}
	pod := &sts.Spec.Template
	pod.Labels = withLabels(pod.Labels, db)
	if len(pod.Spec.Containers) != 1 || pod.Spec.Containers[0].Name != containerName {
		pod.Spec.Containers = []corev1.Container{{Name: containerName}}
	}
	container := &pod.Spec.Containers[0]
	container.Image = engines[db.Spec.Engine].image
	container.Ports = []corev1.ContainerPort{{
		Name: portName, Protocol: corev1.ProtocolTCP, ContainerPort: engines[db.Spec.Engine].port,
	}}
}

// newRecord names the record of db. A namespace has no dots, so two Databases never share a record.
func newRecord(db *databasev1.Database) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: registryNamespace, Name: db.Namespace + "." + db.Name,
	}}
}

func mutateRecord(record *corev1.ConfigMap, db *databasev1.Database) {
	record.Labels = withLabels(record.Labels, db)
	record.Data = map[string]string{
		"engine":  string(db.Spec.Engine),
		"address": fmt.Sprintf("%s.%s.svc:%d", db.Name, db.Namespace, engines[db.Spec.Engine].port),
	}
}
