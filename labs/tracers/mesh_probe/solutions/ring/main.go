// A probe of a service mesh whose kernel part copies the bytes into a ring buffer itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		log.Fatalf("%+v", err)
	}
}

func run() error {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	seconds := 30
	if text := os.Getenv("PROBE_WINDOW"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			return err
		}
	}
	var objects bpfObjects
	if err := loadBpfObjects(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	watched, err := networks(&objects, os.Getenv("PROBE_CIDRS"))
	if err != nil {
		return err
	}
	page := newPage(time.Duration(seconds)*time.Second, objects.Alerts)
	teller := newTeller(ctx, os.Getenv("PROBE_WEBHOOK"), seconds, page)
	mesh := newMesh(watched, page, teller)

	pieces, err := ringbuf.NewReader(objects.Pieces)
	if err != nil {
		return err
	}
	defer pieces.Close()
	rounds, err := ringbuf.NewReader(objects.Rounds)
	if err != nil {
		return err
	}
	defer rounds.Close()
	detach, err := attach(&objects)
	defer detach()
	if err != nil {
		return err
	}
	go read(pieces, mesh.piece)
	go read(rounds, mesh.round)
	go mesh.look(ctx)

	mux := http.NewServeMux()
	mux.Handle("/metrics", page)
	server := &http.Server{Addr: "127.0.0.1:9436", Handler: mux}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// networks fills the trie, and gives the same rules as a function.
func networks(objects *bpfObjects, text string) (func(netip.Addr) bool, error) {
	rules := map[netip.Prefix]bool{}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		prefix, err := netip.ParsePrefix(strings.TrimPrefix(word, "!"))
		if err != nil {
			return nil, err
		}
		on := !strings.HasPrefix(word, "!")
		rules[prefix.Masked()] = on
		value := uint8(0)
		if on {
			value = 1
		}
		key := bpfNetwork{Bits: uint32(prefix.Bits()), Address: prefix.Masked().Addr().As4()}
		if err := objects.Networks.Put(key, value); err != nil {
			return nil, err
		}
	}
	return func(address netip.Addr) bool {
		for bits := 32; bits >= 0; bits-- {
			if on, ok := rules[netip.PrefixFrom(address, bits).Masked()]; ok {
				return on
			}
		}
		return false
	}, nil
}

// attach gives what undoes it, also beside an error.
func attach(objects *bpfObjects) (undo func(), err error) {
	var undone []func()
	undo = func() {
		for _, f := range undone {
			f()
		}
	}
	device := os.Getenv("PROBE_INTERFACE")
	if device == "" {
		device = "lo"
	}
	nic, err := net.InterfaceByName(device)
	if err != nil {
		return undo, err
	}
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return undo, err
	}
	undone = append(undone, func() { unix.Close(socket) })
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, objects.Copy.FD()); err != nil {
		return undo, err
	}
	everything := uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8)
	if err := unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: nic.Index}); err != nil {
		return undo, err
	}
	tracepoint, err := link.Tracepoint("tcp", "tcp_probe", objects.Probed, nil)
	if err != nil {
		return undo, err
	}
	undone = append(undone, func() { tracepoint.Close() })
	if path := os.Getenv("PROBE_TLS_BINARY"); path != "" {
		binary, err := link.OpenExecutable(path)
		if err != nil {
			return undo, err
		}
		uprobe, err := binary.Uprobe("crypto/tls.(*Conn).sendAlert", objects.Alerted, nil)
		if err != nil {
			return undo, fmt.Errorf("%s: %w", path, err)
		}
		undone = append(undone, func() { uprobe.Close() })
	}
	return undo, nil
}

func read(reader *ringbuf.Reader, take func([]byte)) {
	var record ringbuf.Record
	for reader.ReadInto(&record) == nil {
		take(record.RawSample)
	}
}
