package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/cilium/ebpf"
)

// table is the two maps: who is counted, and the counts of all that were ever watched.
type table struct {
	watched, counts *ebpf.Map
}

// open gives the table of what was started.
func open() (*table, error) {
	on, err := started()
	if err != nil {
		return nil, err
	}
	if !on {
		return nil, errNotStarted
	}
	watched, err := ebpf.LoadPinnedMap(watchedPin, nil)
	if err != nil {
		return nil, err
	}
	counts, err := ebpf.LoadPinnedMap(countsPin, nil)
	if err != nil {
		watched.Close()
		return nil, err
	}
	return &table{watched, counts}, nil
}

func (t *table) close() {
	t.watched.Close()
	t.counts.Close()
}

func with(do func(*table) error) error {
	t, err := open()
	if err != nil {
		return err
	}
	defer t.close()
	return do(t)
}

func watch(pids []uint32) error   { return with(func(t *table) error { return t.watch(pids) }) }
func unwatch(pids []uint32) error { return with(func(t *table) error { return t.unwatch(pids) }) }
func show() error                 { return with((*table).show) }

// watch begins with all of pids or with none. One that was watched before goes on from its count.
func (t *table) watch(pids []uint32) error {
	counted, err := t.read()
	if err != nil {
		return err
	}
	fresh := map[uint32]bool{}
	for _, pid := range pids {
		if _, known := counted[pid]; !known {
			fresh[pid] = true
		}
	}
	if len(counted)+len(fresh) > maxProcesses {
		return errFull
	}
	for pid := range fresh {
		if err := t.counts.Update(pid, uint64(0), ebpf.UpdateNoExist); err != nil {
			return fmt.Errorf("counts: %w", err)
		}
	}
	for _, pid := range pids {
		if err := t.watched.Update(pid, uint8(1), ebpf.UpdateAny); err != nil {
			return fmt.Errorf("watched: %w", err)
		}
	}
	return nil
}

// unwatch leaves the counts alone.
func (t *table) unwatch(pids []uint32) error {
	for _, pid := range pids {
		if err := t.watched.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("watched: %w", err)
		}
		if err := t.counts.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("counts: %w", err)
		}
	}
	return nil
}

func (t *table) read() (map[uint32]uint64, error) {
	var pid uint32
	var count uint64
	counted := map[uint32]uint64{}
	entries := t.counts.Iterate()
	for entries.Next(&pid, &count) {
		counted[pid] = count
	}
	return counted, entries.Err()
}

func (t *table) show() error {
	counted, err := t.read()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for _, pid := range slices.Sorted(maps.Keys(counted)) {
		fmt.Fprintln(out, pid, counted[pid])
	}
	return out.Flush()
}
