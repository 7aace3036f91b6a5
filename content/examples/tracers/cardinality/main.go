// Cardinality counts what one label costs: every local port that Linux hands out by default, one connection each.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// net.ipv4.ip_local_port_range
const first, last = 32768, 60999

// scrape returns the series and the bytes of one scrape after a connection from every port.
func scrape(label func(port int) string) (series, bytes int) {
	registry := prometheus.NewRegistry()
	closed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tcp_conn_closed_total", Help: "Connections that were closed.",
	}, []string{"reason", "src_port"})
	registry.MustRegister(closed)
	for port := first; port <= last; port++ {
		closed.WithLabelValues("local", label(port)).Inc()
	}
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).
		ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	families, _ := registry.Gather()
	for _, family := range families {
		series += len(family.GetMetric())
	}
	return series, answer.Body.Len()
}

func main() {
	series, bytes := scrape(strconv.Itoa)
	fmt.Printf("each port as it is:     %5d series, %7d bytes a scrape\n", series, bytes)
	series, bytes = scrape(func(port int) string {
		if port >= first {
			return "ephemeral"
		}
		return strconv.Itoa(port)
	})
	fmt.Printf("ephemeral ports as one: %5d series, %7d bytes a scrape\n", series, bytes)
}
