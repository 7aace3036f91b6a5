package main

import (
	"bytes"
	"fmt"
	"log"
	"net/http"
)

// page is written in the text exposition format 0.0.4. No label value here has a character that would need escaping.
type page struct{ bytes.Buffer }

func (p *page) head(name, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s counter\n", name, help, name)
}

func (p *page) family(name, help, what, where string, samples []sample) {
	p.head(name, help)
	for _, s := range samples {
		fmt.Fprintf(p, "%s{%s=%q,%s=%q} %d\n", name, what, s.what, where, s.where, s.count)
	}
}

// metrics takes what waits in the ring and asks the kernel for its own counters at each scrape, so that a page has
// everything that happened before it.
func metrics(counts *counts, tracer *tracer) http.HandlerFunc {
	own := []struct {
		name, help string
		read       func() (uint64, error)
	}{
		{
			"tcp_tracer_lost_total", "Counts whose record found no room in the ring buffer.",
			func() (uint64, error) { return tracer.count(lost) },
		},
		{
			"tcp_tracer_untracked_total", "Sockets that could not be remembered for lack of memory, and are not counted.",
			func() (uint64, error) { return tracer.count(untracked) },
		},
		{
			"tcp_tracer_missed_total", "Changes of state that were not seen because the program was running already.",
			tracer.missed,
		},
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := tracer.drain(); err != nil {
			log.Printf("drain the ring buffer: %v", err)
			http.Error(w, "the ring buffer cannot be read", http.StatusInternalServerError)
			return
		}
		var p page
		opened, closed := counts.read()
		p.family("tcp_conn_total", "TCP sockets, when they reach a state.", "state", "dst", opened)
		p.family("tcp_conn_closed_total", "TCP sockets, when they end.", "reason", "src_port", closed)
		for _, counter := range own {
			count, err := counter.read()
			if err != nil {
				log.Printf("%s: %v", counter.name, err)
				http.Error(w, "the kernel's counters cannot be read", http.StatusInternalServerError)
				return
			}
			p.head(counter.name, counter.help)
			fmt.Fprintf(&p, "%s %d\n", counter.name, count)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		if _, err := p.WriteTo(w); err != nil {
			log.Printf("a scrape: %v", err) // the client has gone
		}
	}
}
