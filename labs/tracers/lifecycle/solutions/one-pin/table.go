package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
)

// table is what both sides share: in processes the slots of those that are remembered, from the first slot on, and at
// the same index in calls their counts. Only user space writes processes, and only the program writes calls.
type table struct {
	processes, calls *ebpf.Map
}

// Close is for a table that was opened by openTable.
func (t *table) Close() error {
	return errors.Join(t.processes.Close(), t.calls.Close()) // both may be nil
}

func (t *table) read() (bpfTable, error) {
	var now bpfTable
	if err := t.processes.Lookup(uint32(0), &now); err != nil {
		return now, fmt.Errorf("read the processes: %w", err)
	}
	return now, nil
}

func (t *table) write(next bpfTable) error {
	if err := t.processes.Put(uint32(0), next); err != nil {
		return fmt.Errorf("write the processes: %w", err)
	}
	return nil
}

// watch takes all of the PIDs or, with errNoRoom, none.
func (t *table) watch(pids []uint32) error {
	next, err := t.read()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		i := slices.Index(next.Pids[:], pid)
		if i < 0 {
			i = slices.Index(next.Pids[:], 0) // the first that is free
		}
		if i < 0 {
			return fmt.Errorf("%w for %d: at most %d processes are remembered", errNoRoom, pid, len(next.Pids))
		}
		next.Pids[i], next.Watched[i] = pid, 1
	}
	return t.write(next)
}

// unwatch leaves those alone that are not remembered.
func (t *table) unwatch(pids []uint32) error {
	next, err := t.read()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if i := slices.Index(next.Pids[:], pid); i >= 0 {
			next.Watched[i] = 0
		}
	}
	return t.write(next)
}

// print writes the counts, sorted by PID.
func (t *table) print() error {
	type line struct {
		pid   uint32
		count uint64
	}
	now, err := t.read()
	if err != nil {
		return err
	}
	var lines []line
	for i, pid := range now.Pids {
		if pid == 0 {
			break
		}
		l := line{pid: pid}
		if err := t.calls.Lookup(uint32(i), &l.count); err != nil {
			return fmt.Errorf("read the count of %d: %w", pid, err)
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.pid, b.pid) })
	var out bytes.Buffer
	for _, l := range lines {
		fmt.Fprintln(&out, l.pid, l.count)
	}
	_, err = out.WriteTo(os.Stdout)
	return err
}
