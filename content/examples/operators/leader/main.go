// Command leader takes a Lease, says so, and works until it is stopped or loses the Lease.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	name := os.Args[1]
	if err := run(name); err != nil {
		fmt.Printf("%s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(name string) error {
	// region options
	m, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		LeaderElection:                true,
		LeaderElectionID:              "leader.web.example.com", // one name for each kind of operator
		LeaderElectionNamespace:       "default",                // outside a cluster there is no default
		LeaderElectionReleaseOnCancel: true,                     // hand over at once on SIGTERM
		Metrics:                       server.Options{BindAddress: "0"},
	})
	// endregion options
	if err != nil {
		return err
	}
	work := manager.RunnableFunc(func(ctx context.Context) error {
		fmt.Println(name + ": I lead")
		<-ctx.Done()
		return nil
	})
	if err := m.Add(work); err != nil {
		return err
	}
	return m.Start(ctrl.SetupSignalHandler())
}
