package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

const (
	dir   = "/sys/fs/bpf/lifecycle"
	slots = 64
)

// entry is struct entry of the C side.
type entry struct{ Slot, Active uint32 }

// kernel is what one command holds of the kernel's objects. hook is nil when it is not attached from here.
type kernel struct {
	program          *ebpf.Program
	processes, calls *ebpf.Map
	hook             link.Link
}

func load() (*kernel, error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	all, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	return &kernel{
		program:   all.DetachProgram("on_getppid"),
		processes: all.DetachMap("processes"),
		calls:     all.DetachMap("calls"),
	}, nil
}

func (k *kernel) attach() (err error) {
	k.hook, err = link.AttachTracing(link.TracingOptions{Program: k.program})
	return err
}

func (k *kernel) detach() error {
	hook := k.hook
	k.hook = nil
	return hook.Close()
}

func (k *kernel) close() {
	if k.hook != nil {
		k.hook.Close()
	}
	k.program.Close()
	k.processes.Close()
	k.calls.Close()
}

// mine lists the pins in our folder. Folders in it belong to others.
func mine() ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

func isStarted() bool {
	about, err := os.Stat(dir + "/link")
	return err == nil && !about.IsDir()
}

func start() (err error) {
	if isStarted() {
		return failure{3, "it runs already"}
	}
	if err := sweep(); err != nil {
		return err
	}
	k, err := load()
	if err != nil {
		return err
	}
	defer k.close()
	defer func() {
		if err != nil {
			err = errors.Join(err, sweep())
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := k.attach(); err != nil {
		return err
	}
	for _, pin := range []struct {
		name string
		what interface{ Pin(string) error }
	}{{"processes", k.processes}, {"calls", k.calls}, {"link", k.hook}} {
		if err := pin.what.Pin(filepath.Join(dir, pin.name)); err != nil {
			return fmt.Errorf("%s: %w", pin.name, err)
		}
	}
	return nil
}

// sweep removes every pin of ours, the link before the maps, and the folder when nothing else is in it.
func sweep() error {
	paths, err := mine()
	if err != nil {
		return err
	}
	sort.Slice(paths, func(i, j int) bool { return filepath.Base(paths[i]) == "link" })
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	_ = os.Remove(dir) // it may stay when others use it, or when it never was there
	return nil
}

func reopen() (*kernel, error) {
	if !isStarted() {
		return nil, failure{5, "not started"}
	}
	processes, err := ebpf.LoadPinnedMap(dir+"/processes", nil)
	if err != nil {
		return nil, err
	}
	calls, err := ebpf.LoadPinnedMap(dir+"/calls", nil)
	if err != nil {
		return nil, err
	}
	return &kernel{processes: processes, calls: calls}, nil
}

// known reads the entries with one system call for all of them, or nearly.
func (k *kernel) known() (map[uint32]entry, error) {
	var cursor ebpf.MapBatchCursor
	pids, entries := make([]uint32, slots), make([]entry, slots)
	n, err := k.processes.BatchLookup(&cursor, pids, entries, nil)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, err
	}
	found := make(map[uint32]entry, n)
	for i := range n {
		found[pids[i]] = entries[i]
	}
	return found, nil
}

func (k *kernel) watch(pids []uint32) error {
	known, err := k.known()
	if err != nil {
		return err
	}
	planned := map[uint32]entry{}
	for _, pid := range pids {
		e, ok := known[pid]
		if !ok {
			e.Slot = uint32(len(known))
		}
		e.Active = 1
		planned[pid], known[pid] = e, e
	}
	if len(known) > slots {
		return failure{4, fmt.Sprintf("%d processes, and there is room for %d", len(known), slots)}
	}
	for pid, e := range planned {
		if err := k.processes.Put(pid, e); err != nil {
			return err
		}
	}
	return nil
}

func (k *kernel) unwatch(pids []uint32) error {
	known, err := k.known()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if e, ok := known[pid]; ok {
			e.Active = 0
			if err := k.processes.Put(pid, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *kernel) print() error {
	known, err := k.known()
	if err != nil {
		return err
	}
	var pids []int
	for pid := range known {
		pids = append(pids, int(pid))
	}
	sort.Ints(pids)
	for _, pid := range pids {
		var columns []uint64
		if err := k.calls.Lookup(known[uint32(pid)].Slot, &columns); err != nil {
			return err
		}
		total := uint64(0)
		for _, n := range columns {
			total += n
		}
		fmt.Printf("%d %d\n", pid, total)
	}
	return nil
}
