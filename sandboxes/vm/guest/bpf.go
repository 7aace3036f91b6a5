package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const (
	bpfFolder = "/sys/fs/bpf"
	// maxObjects bounds each list; maxEntries bounds the counting of one map.
	maxObjects = 1000
	maxEntries = 1 << 16
)

func init() {
	register("bpf", listBPF)
	register("bpf_stats", switchStats)
}

type programInfo struct {
	ID               uint32 `json:"id"`
	Type             string `json:"type"`
	Name             string `json:"name"`
	Tag              string `json:"tag"`
	RunTimeNS        uint64 `json:"run_time_ns"`
	RunCount         uint64 `json:"run_count"`
	RecursionMisses  uint64 `json:"recursion_misses"`
	Instructions     int    `json:"instructions"`
	VerifiedInsns    uint32 `json:"verified_instructions"`
	MapIDs           []int  `json:"map_ids"`
	LoadedByUID      uint32 `json:"loaded_by_uid"`
	MemoryLockedByte uint64 `json:"memory_bytes"`
}

// mapInfo has -1 entries for a map whose entries cannot be counted (arrays, ring buffers).
type mapInfo struct {
	ID         uint32 `json:"id"`
	Type       string `json:"type"`
	Name       string `json:"name"`
	KeySize    uint32 `json:"key_size"`
	ValueSize  uint32 `json:"value_size"`
	MaxEntries uint32 `json:"max_entries"`
	Entries    int    `json:"entries"`
	AtLeast    bool   `json:"at_least"`
}

type linkInfo struct {
	ID      uint32 `json:"id"`
	Type    uint32 `json:"type"`
	Program uint32 `json:"program_id"`
}

type bpfObjects struct {
	Programs []programInfo `json:"programs"`
	Maps     []mapInfo     `json:"maps"`
	Links    []linkInfo    `json:"links"`
	Pins     []string      `json:"pins"`
}

func listBPF(context.Context, *Call) (any, error) {
	programs, err := listPrograms()
	if err != nil {
		return nil, err
	}
	maps, err := listMaps()
	if err != nil {
		return nil, err
	}
	links, err := listLinks()
	if err != nil {
		return nil, err
	}
	pins, err := listPins(bpfFolder)
	return bpfObjects{programs, maps, links, pins}, err
}

func listPrograms() ([]programInfo, error) {
	list := []programInfo{}
	id := ebpf.ProgramID(0)
	for len(list) < maxObjects {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, fs.ErrNotExist) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		id = next
		program, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went while we looked
		} else if err != nil {
			return nil, err
		}
		info, err := describeProgram(program)
		_ = program.Close()
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	return list, nil
}

func describeProgram(program *ebpf.Program) (programInfo, error) {
	info, err := program.Info()
	if err != nil {
		return programInfo{}, err
	}
	id, _ := info.ID()
	described := programInfo{ID: uint32(id), Type: info.Type.String(), Name: info.Name, Tag: info.Tag, MapIDs: []int{}}
	if size, err := info.TranslatedSize(); err == nil {
		described.Instructions = size / 8
	}
	described.VerifiedInsns, _ = info.VerifiedInstructions()
	described.LoadedByUID, _ = info.CreatedByUID()
	described.MemoryLockedByte, _ = info.Memlock()
	ids, _ := info.MapIDs()
	for _, id := range ids {
		described.MapIDs = append(described.MapIDs, int(id))
	}
	stats, err := program.Stats()
	if err != nil {
		return programInfo{}, err
	}
	described.RunTimeNS, described.RunCount = uint64(stats.Runtime.Nanoseconds()), stats.RunCount
	described.RecursionMisses = stats.RecursionMisses
	return described, nil
}

func listMaps() ([]mapInfo, error) {
	list := []mapInfo{}
	id := ebpf.MapID(0)
	for len(list) < maxObjects {
		next, err := ebpf.MapGetNextID(id)
		if errors.Is(err, fs.ErrNotExist) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		id = next
		m, err := ebpf.NewMapFromID(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		info := mapInfo{
			ID: uint32(id), Type: m.Type().String(), KeySize: m.KeySize(), ValueSize: m.ValueSize(),
			MaxEntries: m.MaxEntries(),
		}
		if about, err := m.Info(); err == nil {
			info.Name = about.Name
		}
		info.Entries, info.AtLeast = countEntries(m)
		_ = m.Close()
		list = append(list, info)
	}
	return list, nil
}

// countEntries walks the keys alone: values of a per-CPU map are large, and nobody asked for them.
func countEntries(m *ebpf.Map) (entries int, atLeast bool) {
	switch m.Type() {
	case ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.LPMTrie, ebpf.HashOfMaps:
	default:
		return -1, false
	}
	var key any // nil asks for the first; a nil []byte would be a key of the wrong size
	for entries = 0; entries < maxEntries; entries++ {
		next, err := m.NextKeyBytes(key)
		if err != nil {
			// a map that cannot be walked, as by a filesystem's right, has no count
			return max(entries, 0), true
		}
		if next == nil {
			return entries, false
		}
		key = next
	}
	return entries, true
}

func listLinks() ([]linkInfo, error) {
	list := []linkInfo{}
	walk := &link.Iterator{}
	defer walk.Close()
	for len(list) < maxObjects && walk.Next() {
		info, err := walk.Link.Info()
		if err != nil {
			return nil, err
		}
		list = append(list, linkInfo{uint32(info.ID), uint32(info.Type), uint32(info.Program)})
	}
	return list, walk.Err()
}

// listPins names what is pinned below folder, relative to it; the kernel's own iterators are no pins of anybody's.
func listPins(folder string) ([]string, error) {
	pins := []string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || len(pins) >= maxObjects {
			return err
		}
		if name := strings.TrimPrefix(path, folder+"/"); name != "maps.debug" && name != "progs.debug" {
			pins = append(pins, name)
		}
		return nil
	})
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return pins, err
}

var stats struct {
	sync.Mutex
	held io.Closer
}

// switchStats has the kernel measure the run time of every program for as long as it is switched on.
func switchStats(_ context.Context, call *Call) (any, error) {
	var args struct {
		On bool `json:"on"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	stats.Lock()
	defer stats.Unlock()
	if args.On == (stats.held != nil) {
		return nil, nil
	}
	if !args.On {
		err := stats.held.Close()
		stats.held = nil
		return nil, err
	}
	held, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err == nil {
		stats.held = held
	}
	return nil, err
}
