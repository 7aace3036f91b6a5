package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	databasev1 "example.com/database-operator/api/v1"
)

const (
	nameLabel      = "app.kubernetes.io/name"
	instanceLabel  = "app.kubernetes.io/instance"
	managedByLabel = "app.kubernetes.io/managed-by"

	containerName = "database"
	portName      = "db"
)

var engines = map[databasev1.Engine]struct {
	image string
	port  int32
}{
	databasev1.Postgres: {"registry.example.com/postgres:17.6", 5432},
	databasev1.MySQL:    {"registry.example.com/mysql:8.4", 3306},
	databasev1.Redis:    {"registry.example.com/redis:8.2", 6379},
}

// children are the objects that a Database asks for, as they are created. Of those that exist, restore…
// changes what we decide about and leaves the rest, the server's defaults among it, as it is.
type children struct {
	statefulSet *appsv1.StatefulSet
	service     *corev1.Service
	record      *corev1.ConfigMap
}

func childrenOf(db *databasev1.Database) (children, error) {
	engine, known := engines[db.Spec.Engine]
	if !known {
		return children{}, fmt.Errorf("engine %q is not known", db.Spec.Engine)
	}
	selector := map[string]string{nameLabel: "database", instanceLabel: db.Name}
	labels := maps.Clone(selector)
	labels[managedByLabel] = "database-operator"
	owned := metav1.ObjectMeta{
		Namespace:       db.Namespace,
		Name:            db.Name,
		Labels:          labels,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(db, databasev1.GroupVersion.WithKind("Database"))},
	}
	return children{
		statefulSet: &appsv1.StatefulSet{
			ObjectMeta: owned,
			Spec: appsv1.StatefulSetSpec{
				Replicas:    &db.Spec.Size,
				ServiceName: db.Name,
				Selector:    &metav1.LabelSelector{MatchLabels: selector},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec: corev1.PodSpec{Containers: []corev1.Container{{
						Name:  containerName,
						Image: engine.image,
						Ports: []corev1.ContainerPort{{
							Name: portName, ContainerPort: engine.port, Protocol: corev1.ProtocolTCP,
						}},
					}}},
				},
			},
		},
		service: &corev1.Service{
			ObjectMeta: owned,
			Spec: corev1.ServiceSpec{
				Type:      corev1.ServiceTypeClusterIP,
				ClusterIP: corev1.ClusterIPNone,
				Selector:  selector,
				Ports: []corev1.ServicePort{{
					Name: portName, Port: engine.port, TargetPort: intstr.FromInt32(engine.port), Protocol: corev1.ProtocolTCP,
				}},
			},
		},
		record: &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: registryNamespace,
				Name:      recordName(keyOf(db)),
				Labels:    labels,
			},
			Data: map[string]string{
				"engine":  string(db.Spec.Engine),
				"address": fmt.Sprintf("%s.%s.svc:%d", db.Name, db.Namespace, engine.port),
			},
		},
	}, nil
}

// recordName is unambiguous because the name of a namespace has no dot.
func recordName(database types.NamespacedName) string {
	return database.Namespace + "." + database.Name
}

// databaseOfRecord is the way back.
func databaseOfRecord(record types.NamespacedName) types.NamespacedName {
	namespace, name, _ := strings.Cut(record.Name, ".")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// restoreStatefulSet leaves out what the API server lets nobody change: selector and serviceName.
func restoreStatefulSet(is, want *appsv1.StatefulSet) *appsv1.StatefulSet {
	out := is.DeepCopy()
	out.OwnerReferences = want.OwnerReferences
	out.Labels = withLabels(out.Labels, want.Labels)
	out.Spec.Replicas = want.Spec.Replicas
	out.Spec.Template.Labels = withLabels(out.Spec.Template.Labels, want.Spec.Template.Labels)

	container := want.Spec.Template.Spec.Containers[0]
	pod := &out.Spec.Template.Spec
	if i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == containerName }); i >= 0 {
		ours := pod.Containers[i]
		ours.Image, ours.Ports = container.Image, container.Ports
		container = ours
	}
	pod.Containers = []corev1.Container{container}
	return out
}

func restoreService(is, want *corev1.Service) *corev1.Service {
	out := is.DeepCopy()
	out.OwnerReferences = want.OwnerReferences
	out.Labels = withLabels(out.Labels, want.Labels)
	out.Spec.Selector = want.Spec.Selector
	out.Spec.Ports = want.Spec.Ports
	if out.Spec.ClusterIP != corev1.ClusterIPNone { // possible by way of type ExternalName
		out.Spec.Type = want.Spec.Type
		out.Spec.ExternalName = ""
		out.Spec.ClusterIP = corev1.ClusterIPNone
		out.Spec.ClusterIPs = []string{corev1.ClusterIPNone}
	}
	return out
}

func restoreRecord(is, want *corev1.ConfigMap) *corev1.ConfigMap {
	out := is.DeepCopy()
	out.OwnerReferences = nil // an owner in another namespace would be the record's end
	out.Labels = withLabels(out.Labels, want.Labels)
	out.Data = want.Data
	out.BinaryData = nil
	return out
}

// withLabels sets ours and keeps all others.
func withLabels(is, ours map[string]string) map[string]string {
	out := make(map[string]string, len(is)+len(ours))
	maps.Copy(out, is)
	maps.Copy(out, ours)
	return out
}
