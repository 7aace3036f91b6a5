package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
)

var types = map[string]string{
	"mesh_http2_responses_total":         "counter",
	"mesh_http2_5xx":                     "gauge",
	"mesh_http2_resets_total":            "counter",
	"mesh_undecodable_connections_total": "counter",
	"mesh_rtt_p99_seconds":               "gauge",
	"mesh_rtt_alarms_total":              "counter",
	"mesh_tls_failures_total":            "counter",
	"mesh_tls_alerts_total":              "counter",
	"mesh_webhooks_total":                "counter",
}

type answer struct {
	at     time.Time
	status int
}

// page is what is served: series by name and labels.
type page struct {
	mutex   sync.Mutex
	window  time.Duration
	series  map[string]map[string]float64
	answers map[string][]answer // of 5xx, by dst
	alerts  *ebpf.Map
}

func newPage(window time.Duration, alerts *ebpf.Map) *page {
	p := &page{
		window: window, alerts: alerts,
		series: map[string]map[string]float64{}, answers: map[string][]answer{},
	}
	for name := range types {
		p.series[name] = map[string]float64{}
	}
	for _, result := range []string{"sent", "failed", "dropped"} {
		p.series["mesh_webhooks_total"][labels("result", result)] = 0
	}
	return p
}

func labels(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, ",%s=%q", pairs[i], pairs[i+1])
	}
	return "{" + b.String()[1:] + "}"
}

func (p *page) add(name string, pairs ...string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.series[name][labels(pairs...)]++
}

func (p *page) set(name string, value float64, pairs ...string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.series[name][labels(pairs...)] = value
}

func (p *page) answered(dst string, status int, at time.Time) {
	if status >= 500 && status < 600 {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.answers[dst] = append(p.answers[dst], answer{at, status})
	}
}

// slide computes what the window holds at this moment.
func (p *page) slide(now time.Time) {
	exported := map[string]float64{}
	for dst, all := range p.answers {
		all = slices.DeleteFunc(all, func(a answer) bool { return now.Sub(a.at) > p.window })
		p.answers[dst] = all
		if len(all) >= 5 {
			for _, a := range all {
				exported[labels("dst", dst, "status", strconv.Itoa(a.status))]++
			}
		}
	}
	p.series["mesh_http2_5xx"] = exported
}

func (p *page) readAlerts() {
	var alert uint8
	var count uint64
	for all := p.alerts.Iterate(); all.Next(&alert, &count); {
		if alert != 0 {
			p.series["mesh_tls_alerts_total"][labels("alert", alertName(alert))] = float64(count)
		}
	}
}

func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mutex.Lock()
	p.slide(time.Now())
	p.readAlerts()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(types)) {
		fmt.Fprintf(&text, "# HELP %s See the brief.\n# TYPE %s %s\n", name, name, types[name])
		for _, series := range slices.Sorted(maps.Keys(p.series[name])) {
			fmt.Fprintf(&text, "%s%s %g\n", name, series, p.series[name][series])
		}
	}
	p.mutex.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write([]byte(text.String()))
}
