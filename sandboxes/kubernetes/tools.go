//go:build tools

// Package tools pins the commands that the control plane is built from.
// k8s.io/kubernetes cannot be installed by `go install`: its go.mod replaces
// the staging modules by folders. This module replaces them by their releases.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
