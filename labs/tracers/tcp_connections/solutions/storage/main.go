// Counts TCP connections: socket storage in the kernel, a table in Go, and the exposition format by hand.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

const familyIPv4 = 2

// series has a row for each number that the C code can send.
var series = []struct{ metric, label, value, second string }{
	{"tcp_conn_total", "state", "syn_sent", "dst"},
	{"tcp_conn_total", "state", "established", "dst"},
	{"tcp_conn_total", "state", "accepted", "dst"},
	{"tcp_conn_closed_total", "reason", "refused", "src_port"},
	{"tcp_conn_closed_total", "reason", "timeout", "src_port"},
	{"tcp_conn_closed_total", "reason", "reset", "src_port"},
	{"tcp_conn_closed_total", "reason", "local", "src_port"},
	{"tcp_conn_closed_total", "reason", "remote", "src_port"},
	{"tcp_conn_closed_total", "reason", "aborted", "src_port"},
}

type cell struct {
	row    uint32
	second string
}

type table struct {
	mu    sync.Mutex
	cells map[cell]uint64
	dsts  map[string]struct{}
	ports map[string]struct{}
}

func main() {
	if err := run(os.Getenv("RING_BYTES")); err != nil {
		fmt.Fprintf(os.Stderr, "%+v\n", err)
		os.Exit(1)
	}
}

func run(ring string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	spec, err := loadBpf()
	if err != nil {
		return err
	}
	if ring != "" {
		size, err := strconv.ParseUint(ring, 10, 32)
		if err != nil {
			return fmt.Errorf("RING_BYTES: %w", err)
		}
		spec.Maps["counts"].MaxEntries = uint32(size)
	}
	var objects bpfObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	reader, err := ringbuf.NewReader(objects.Counts)
	if err != nil {
		return err
	}
	defer reader.Close()
	hook, err := link.AttachTracing(link.TracingOptions{Program: objects.OnState})
	if err != nil {
		return err
	}
	defer hook.Close()

	t := &table{cells: map[cell]uint64{}, dsts: map[string]struct{}{}, ports: map[string]struct{}{}}
	failed := make(chan error, 2)
	go func() { failed <- t.fill(reader) }()
	go func() { failed <- serve(t, objects.Lost) }()
	select {
	case <-signals:
		return nil
	case err := <-failed:
		return err
	}
}

func (t *table) fill(reader *ringbuf.Reader) error {
	for {
		record, err := reader.Read()
		if err != nil {
			return err
		}
		raw := record.RawSample
		if len(raw) < 24 {
			return fmt.Errorf("a record of %d bytes", len(raw))
		}
		row, port := binary.NativeEndian.Uint32(raw), binary.NativeEndian.Uint16(raw[4:])
		ip := netip.AddrFrom16([16]byte(raw[8:24])).Unmap()
		if binary.NativeEndian.Uint16(raw[6:]) == familyIPv4 {
			ip = netip.AddrFrom4([4]byte(raw[8:12]))
		}
		t.count(row, ip, port)
	}
}

func (t *table) count(row uint32, ip netip.Addr, port uint16) {
	if int(row) >= len(series) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var second string
	switch {
	case series[row].second == "dst":
		second = limit(t.dsts, netip.AddrPortFrom(ip, port).String(), 100)
	case port < 32768:
		second = limit(t.ports, strconv.Itoa(int(port)), 64)
	default:
		second = "ephemeral"
	}
	t.cells[cell{row, second}]++
}

func limit(known map[string]struct{}, value string, most int) string {
	if _, ok := known[value]; !ok {
		if len(known) >= most {
			return "other"
		}
		known[value] = struct{}{}
	}
	return value
}

func serve(t *table, lost *ebpf.Variable) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:9435")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		var page bytes.Buffer
		if err := t.write(&page, lost); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = page.WriteTo(w)
	})
	server := http.Server{Handler: mux, ReadTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// write takes a copy under the lock, so that a slow reader holds nobody up.
func (t *table) write(w io.Writer, lost *ebpf.Variable) error {
	var gone uint64
	if err := lost.Get(&gone); err != nil {
		return errors.Join(errors.New("lost"), err)
	}
	t.mu.Lock()
	lines := map[string][]string{}
	for at, n := range t.cells {
		row := series[at.row]
		lines[row.metric] = append(lines[row.metric],
			fmt.Sprintf("%s{%s=%q,%s=%q} %d\n", row.metric, row.label, row.value, row.second, at.second, n))
	}
	t.mu.Unlock()

	out := bufio.NewWriter(w)
	for _, family := range []struct{ name, help string }{
		{"tcp_conn_total", "TCP sockets by the state that they reached."},
		{"tcp_conn_closed_total", "TCP sockets that ended, by reason."},
	} {
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s counter\n", family.name, family.help, family.name)
		slices.Sort(lines[family.name])
		for _, line := range lines[family.name] {
			out.WriteString(line)
		}
	}
	out.WriteString("# HELP tcp_tracer_lost_total Counts that did not fit into the ring buffer.\n")
	fmt.Fprintf(out, "# TYPE tcp_tracer_lost_total counter\ntcp_tracer_lost_total %d\n", gone)
	return out.Flush()
}
