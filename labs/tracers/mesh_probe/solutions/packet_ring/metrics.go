package main

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The page is written here and not by client_golang because that has no `# TYPE` for a metric without series, and
// these have to be there from the start. No label has a character that needs escaping.

type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
)

// page is a text of the exposition format 0.0.4.
type page struct{ bytes.Buffer }

func (p *page) family(name string, kind kind, help string) {
	p.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + string(kind) + "\n")
}

// series writes one value; labels are names and values by turns.
func (p *page) series(name string, value float64, labels ...string) {
	p.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		p.WriteString(string("{,"[min(i, 1)]) + labels[i] + `="` + labels[i+1] + `"`)
	}
	if len(labels) > 0 {
		p.WriteByte('}')
	}
	p.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }

// servePage answers a scrape with everything that had passed when it was asked for: the kernel hands a block over
// after retireAfter at the latest, if a little later when it is busy.
func (p *probe) servePage(w http.ResponseWriter, r *http.Request) {
	time.Sleep(2 * retireAfter)
	if err := p.read(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	page := p.page()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(page.Bytes())
}

func (p *probe) page() *page {
	var page page
	p.mutex.Lock()
	defer p.mutex.Unlock()
	names := slices.SortedFunc(maps.Values(p.targets.byName), func(a, b *target) int { return cmp.Compare(a.name, b.name) })
	each := func(name string, kind kind, help string, write func(t *target, name string)) {
		page.family(name, kind, help)
		for _, t := range names {
			write(t, name)
		}
	}

	each("mesh_http2_responses_total", counter, "Responses, without those of 1xx.", func(t *target, name string) {
		if t.responses > 0 {
			page.series(name, float64(t.responses), "dst", t.name)
		}
	})
	at := now()
	each("mesh_http2_5xx", gauge, "Responses of 5xx in the window, if there are five or more.", func(t *target, name string) {
		for status, n := range t.errorsNow(at) {
			page.series(name, float64(n), "dst", t.name, "status", strconv.Itoa(status))
		}
	})
	each("mesh_http2_resets_total", counter, "RST_STREAM frames by who sent them.", func(t *target, name string) {
		for kind, n := range t.resets {
			page.series(name, float64(n), "dst", t.name, "by", kind.by, "code", kind.code)
		}
	})
	each("mesh_undecodable_connections_total", counter, "Connections that were given up.", func(t *target, name string) {
		for reason, n := range t.undecodable {
			page.series(name, float64(n), "dst", t.name, "reason", reason)
		}
	})
	each("mesh_rtt_p99_seconds", gauge, "P99 of the round trips' times.", func(t *target, name string) {
		if p99, ok := t.rtt.p99(); ok {
			page.series(name, p99, "dst", t.name)
		}
	})
	each("mesh_rtt_alarms_total", counter, "How often round trips began to be slow.", func(t *target, name string) {
		if t.rttAlarms > 0 {
			page.series(name, float64(t.rttAlarms), "dst", t.name)
		}
	})
	each("mesh_tls_failures_total", counter, "Handshakes that failed, from the wire.", func(t *target, name string) {
		for failure, n := range t.tlsFailures {
			page.series(name, float64(n), "dst", t.name, "version", failure.version, "reason", failure.reason)
		}
	})

	const alerts = "mesh_tls_alerts_total"
	page.family(alerts, counter, "Alerts that processes of PROBE_TLS_BINARY sent.")
	var sent [256]uint64
	if err := p.objects.Alerts.Get(&sent); err == nil {
		for number, n := range sent {
			if n > 0 && number != alertCloseNotify {
				page.series(alerts, float64(n), "alert", alertName(uint8(number)))
			}
		}
	}
	const calls = "mesh_webhooks_total"
	page.family(calls, counter, "Calls of the webhook.")
	page.series(calls, float64(p.webhook.sent.Load()), "result", "sent")
	page.series(calls, float64(p.webhook.failed.Load()), "result", "failed")
	page.series(calls, float64(p.webhook.dropped.Load()), "result", "dropped")

	const packets = "mesh_packets_lost_total"
	page.family(packets, counter, "Packets that found no room in the ring.")
	page.series(packets, float64(p.packetsLost))
	const samples = "mesh_rtt_samples_lost_total"
	page.family(samples, counter, "Samples of round trips that found no room in the ring.")
	var lost uint64
	if err := p.objects.SamplesLost.Get(&lost); err == nil {
		page.series(samples, float64(lost))
	}
	return &page
}
