// Metrics shows what a scrape looks like, and what a counter refuses.
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

func main() {
	registry := prometheus.NewRegistry()
	opened := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "demo_connections_opened_total", Help: "Connections that reached ESTABLISHED.",
	}, []string{"dst"})
	open := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "demo_connections_open", Help: "Connections that are open now.",
	})
	registry.MustRegister(opened, open)

	opened.WithLabelValues("10.0.0.7:3306").Add(3)
	open.Add(3)
	open.Dec() // one of the three has closed
	func() {
		defer func() { fmt.Println("the counter down by one:", recover()) }()
		opened.WithLabelValues("10.0.0.7:3306").Add(-1)
	}()

	families, err := registry.Gather()
	if err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(os.Stdout, family); err != nil {
			fmt.Fprintln(os.Stderr, "metrics:", err)
			os.Exit(1)
		}
	}
}
