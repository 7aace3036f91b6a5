// Command database-operator keeps each Database as its spec says.
//
// It stands on client-go alone. The way of a change through the files:
//
//	mirror.go      a reflector brings it into memory and names the Database that it concerns
//	controller.go  a queue hands that name to a worker, which makes one write after another
//	world.go       says from what is which write comes next; it reads, and writes nothing itself
//	children.go    the StatefulSet, Service and record that a Database asks for
//	status.go      what the Database tells about them
//	cluster.go     the connection
//	metrics.go     what is counted, under controller-runtime's names
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

func main() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	slog.SetDefault(logger)
	klog.SetSlogLogger(logger) // client-go's own words
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("The operator ends", "error", err)
		os.Exit(1)
	}
}

// run works until ctx is done. Only reflectors and workers talk to the API server, and both try again, so that
// no failed request can end the process.
func run(ctx context.Context) error {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return err
	}
	cluster, err := connect(config)
	if err != nil {
		return err
	}
	metrics := newMetrics()
	if err := metrics.serve(ctx, "127.0.0.1:8080"); err != nil {
		return err
	}
	newOperator(cluster, metrics).run(ctx)
	return nil
}
