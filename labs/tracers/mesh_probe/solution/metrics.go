package main

import (
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/http2"
)

type metrics struct {
	responses, resets, undecodable, alarms, failures, webhooks *prometheus.CounterVec
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func newMetrics() *metrics {
	m := &metrics{
		responses:   counter("mesh_http2_responses_total", "Final responses by server.", "dst"),
		resets:      counter("mesh_http2_resets_total", "RST_STREAM frames by server, sender and code.", "dst", "by", "code"),
		undecodable: counter("mesh_undecodable_connections_total", "Connections that were not decoded, or not to the end.", "dst", "reason"),
		alarms:      counter("mesh_rtt_alarms_total", "How often the round-trip time began to be above three times its P99.", "dst"),
		failures:    counter("mesh_tls_failures_total", "TLS handshakes that failed, as the wire shows it.", "dst", "version", "reason"),
		webhooks:    counter("mesh_webhooks_total", "Calls of the webhook by what became of them.", "result"),
	}
	for _, result := range []string{"sent", "failed", "dropped"} {
		m.webhooks.WithLabelValues(result)
	}
	return m
}

var (
	errorsDesc = prometheus.NewDesc("mesh_http2_5xx",
		"Responses of 5xx within the window, of servers that gave five or more.", []string{"dst", "status"}, nil)
	p99Desc = prometheus.NewDesc("mesh_rtt_p99_seconds",
		"The 99th percentile of the round-trip time.", []string{"dst"}, nil)
	alertsDesc = prometheus.NewDesc("mesh_tls_alerts_total",
		"Alerts of TLS that the watched program sent.", []string{"alert"}, nil)
)

// current collects what is computed when it is asked for.
type current struct {
	probe  *probe
	kernel *kernel
}

func (c current) Describe(out chan<- *prometheus.Desc) {
	out <- errorsDesc
	out <- p99Desc
	out <- alertsDesc
}

func (c current) Collect(out chan<- prometheus.Metric) {
	c.probe.exported(time.Now(), func(dst string, status, count int) {
		out <- prometheus.MustNewConstMetric(
			errorsDesc, prometheus.GaugeValue, float64(count), dst, strconv.Itoa(status))
	})
	c.probe.p99s(func(dst string, seconds float64) {
		out <- prometheus.MustNewConstMetric(p99Desc, prometheus.GaugeValue, seconds, dst)
	})
	counts, err := c.kernel.alerts()
	if err != nil {
		log.Printf("alerts: %v", err)
	}
	for number, count := range counts {
		if number != closeNotify && count > 0 {
			out <- prometheus.MustNewConstMetric(
				alertsDesc, prometheus.CounterValue, float64(count), alertName(byte(number)))
		}
	}
}

const closeNotify = 0

func (m *metrics) handler(c current) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.responses, m.resets, m.undecodable, m.alarms, m.failures, m.webhooks, c)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// codeName is RFC 9113's name of an error code, or its number.
func codeName(code http2.ErrCode) string {
	if code > http2.ErrCodeHTTP11Required {
		return strconv.FormatUint(uint64(code), 10)
	}
	return code.String()
}
