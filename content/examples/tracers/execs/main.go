// Execs counts the programs that the children of a process start:
//
//	execs start PID...    from now on
//	execs show            the counts so far
//	execs stop            detach, and leave nothing behind
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

//go:generate go tool bpf2go -go-package main -target amd64 execs execs.bpf.c -- -O2 -g -mcpu=v3 -I../headers

const folder = "/sys/fs/bpf/execs"

var (
	linkPin   = filepath.Join(folder, "on_exec")
	countsPin = filepath.Join(folder, "counts")
)

// start loads, attaches and pins. When one step fails, nothing of the ones before it stays.
func start(pids []uint32) (err error) {
	var objects execsObjects
	if err := loadExecsObjects(&objects, nil); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer objects.Close()
	for _, pid := range pids {
		if err := objects.Counts.Put(pid, uint64(0)); err != nil {
			return fmt.Errorf("watch %d: %w", pid, err)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(folder)
		}
	}()
	if err := objects.Counts.Pin(countsPin); err != nil {
		return err
	}
	attached, err := link.Tracepoint("sched", "sched_process_exec", objects.OnExec, nil)
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	defer attached.Close() // the descriptor; the pin holds the link
	return attached.Pin(linkPin)
}

// show reads the pinned map of whoever started.
func show() error {
	counts, err := ebpf.LoadPinnedMap(countsPin, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer counts.Close()
	var pid uint32
	var count uint64
	entries := counts.Iterate()
	for entries.Next(&pid, &count) {
		fmt.Println(pid, count)
	}
	return entries.Err()
}

// stop removes the pins. The last references go with them: link, program, map.
func stop() error {
	for _, pin := range []string{linkPin, countsPin, folder} {
		if err := os.Remove(pin); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func run(words []string) error {
	if len(words) == 0 {
		return errors.New("start PID..., show or stop")
	}
	switch words[0] {
	case "start":
		var pids []uint32
		for _, word := range words[1:] {
			pid, err := strconv.ParseUint(word, 10, 32)
			if err != nil {
				return err
			}
			pids = append(pids, uint32(pid))
		}
		return start(pids)
	case "show":
		return show()
	case "stop":
		return stop()
	}
	return fmt.Errorf("no command %q", words[0])
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "execs:", err)
		os.Exit(1)
	}
}
