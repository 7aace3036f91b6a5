package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// group is the control group of one program: what it does to itself must not reach the agent.
type group struct{ folder string }

func newGroup(name string, memory, processes int64) (*group, error) {
	g := &group{filepath.Join(cgroupRoot, name)}
	if err := os.Mkdir(g.folder, 0o755); err != nil {
		return nil, err
	}
	for file, value := range map[string]int64{"memory.max": memory, "pids.max": processes, "memory.oom.group": 1} {
		if value <= 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(g.folder, file), []byte(strconv.FormatInt(value, 10)), 0); err != nil {
			return nil, errors.Join(err, os.Remove(g.folder))
		}
	}
	return g, nil
}

// open returns a descriptor for clone3's CLONE_INTO_CGROUP.
func (g *group) open() (int, error) {
	return unix.Open(g.folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

func (g *group) kill() {
	if err := os.WriteFile(filepath.Join(g.folder, "cgroup.kill"), []byte("1"), 0); err != nil {
		logf("cgroup.kill: %v", err)
	}
}

// remove kills what is left and waits until the group is empty; a group that stays is told, not waited for for ever.
func (g *group) remove() {
	g.kill()
	for range 500 {
		if err := os.Remove(g.folder); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(2 * time.Millisecond) // a group is busy until its last process was reaped; there is no event
	}
	logf("%s stays", g.folder)
}

type usage struct {
	CPUSeconds  float64 `json:"cpu_seconds"`
	Memory      int64   `json:"memory_bytes"`
	MemoryPeak  int64   `json:"memory_peak_bytes"`
	Processes   int64   `json:"processes"`
	OutOfMemory bool    `json:"out_of_memory"`
}

func (g *group) usage() usage {
	return usage{
		CPUSeconds:  float64(g.field("cpu.stat", "usage_usec")) / 1e6,
		Memory:      g.number("memory.current"),
		MemoryPeak:  g.number("memory.peak"),
		Processes:   g.number("pids.current"),
		OutOfMemory: g.field("memory.events", "oom_kill") > 0,
	}
}

func (g *group) number(file string) int64 {
	text, _ := os.ReadFile(filepath.Join(g.folder, file))
	value, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return value
}

func (g *group) field(file, name string) int64 {
	text, _ := os.ReadFile(filepath.Join(g.folder, file))
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if key == name {
			number, _ := strconv.ParseInt(value, 10, 64)
			return number
		}
	}
	return 0
}

// giveControllers lets groups below the root have limits.
func giveControllers() error {
	err := os.WriteFile(cgroupRoot+"/cgroup.subtree_control", []byte("+memory +pids +cpu"), 0)
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	return nil
}
