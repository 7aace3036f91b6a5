// A tracer for the tests of the harness: counts changes of TCP states and serves the counts.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sort"
	"sync"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

var names = map[uint32]string{
	1: "established", 2: "syn_sent", 3: "syn_recv", 4: "fin_wait1", 5: "fin_wait2", 6: "time_wait",
	7: "close", 8: "close_wait", 9: "last_ack", 10: "listen", 11: "closing", 12: "new_syn_recv",
}

type key struct {
	from, to string
	dport    uint16
}

type counts struct {
	mu   sync.Mutex
	seen map[key]uint64
}

func main() {
	if err := run(); err != nil {
		log.Fatalf("%+v", err)
	}
}

func run() error {
	var objs bpfObjects
	if err := loadBpfObjects(&objs, nil); err != nil {
		return err
	}
	defer objs.Close()
	tp, err := link.Tracepoint("sock", "inet_sock_set_state", objs.States, nil)
	if err != nil {
		return err
	}
	defer tp.Close()
	reader, err := ringbuf.NewReader(objs.Events)
	if err != nil {
		return err
	}
	c := &counts{seen: map[key]uint64{}}
	done := make(chan error, 1)
	go func() { done <- c.follow(reader) }()
	go serve(c, objs.Lost)
	fmt.Println("attached")

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	reader.Close()
	return <-done
}

func (c *counts) follow(reader *ringbuf.Reader) error {
	for {
		record, err := reader.Read()
		if errors.Is(err, ringbuf.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		var event bpfEvent
		if err := binary.Read(bytes.NewReader(record.RawSample), binary.LittleEndian, &event); err != nil {
			return err
		}
		c.mu.Lock()
		c.seen[key{names[event.OldState], names[event.NewState], event.Dport}]++
		c.mu.Unlock()
	}
}

func serve(c *counts, lost *ebpf.Map) {
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		c.write(w)
		var n uint64
		if err := lost.Lookup(uint32(0), &n); err == nil {
			fmt.Fprintf(w, "# TYPE events_lost_total counter\nevents_lost_total %d\n", n)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

func (c *counts) write(w http.ResponseWriter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := make([]key, 0, len(c.seen))
	for k := range c.seen {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return fmt.Sprint(keys[i]) < fmt.Sprint(keys[j]) })
	fmt.Fprint(w, "# HELP tcp_state_changes_total Changes of the state of TCP sockets.\n")
	fmt.Fprint(w, "# TYPE tcp_state_changes_total counter\n")
	for _, k := range keys {
		fmt.Fprintf(w, "tcp_state_changes_total{from=%q,to=%q,dport=\"%d\"} %d\n", k.from, k.to, k.dport, c.seen[k])
	}
}
