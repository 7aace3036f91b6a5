package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Engine is the database that runs in the replicas.
//
// +kubebuilder:validation:Enum=postgres;mysql;redis
type Engine string

const (
	Postgres Engine = "postgres"
	MySQL    Engine = "mysql"
	Redis    Engine = "redis"
)

// CleanupFinalizer holds a Database until its record has left the registry.
const CleanupFinalizer = "database.example.com/cleanup"

// Types of conditions.
const (
	ConditionReady       = "Ready"
	ConditionProgressing = "Progressing"
)

// Reasons of conditions.
const (
	ReasonAllReplicasReady = "AllReplicasReady"
	ReasonReplicasNotReady = "ReplicasNotReady"
	ReasonRollingOut       = "RollingOut"
	ReasonRolledOut        = "RolledOut"
	ReasonNameTaken        = "NameTaken"
)

// DatabaseSpec is what the user asks for.
type DatabaseSpec struct {
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9
	Size   int32  `json:"size"`
	Engine Engine `json:"engine"`
}

// DatabaseStatus is what is the case.
type DatabaseStatus struct {
	// ObservedGeneration is the metadata.generation that this status was computed from.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ReadyReplicas is what the StatefulSet reports. Zero is written too, so that people see it.
	ReadyReplicas int32 `json:"readyReplicas"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Database is a set of replicas of one engine behind one name.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
type Database struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DatabaseSpec   `json:"spec"`
	Status DatabaseStatus `json:"status,omitempty"`
}

// DatabaseList is what the API server answers to a list.
//
// +kubebuilder:object:root=true
type DatabaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Database `json:"items"`
}
