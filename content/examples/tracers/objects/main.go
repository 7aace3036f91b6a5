// Objects lists the kernel's eBPF programs, maps and links of the given names, as bpftool does.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// programs returns "type name" by id.
func programs(names []string) (map[ebpf.ProgramID]string, error) {
	found := map[ebpf.ProgramID]string{}
	id := ebpf.ProgramID(0)
	for {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		id = next
		program, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		info, err := program.Info()
		program.Close()
		if err != nil {
			return nil, err
		}
		if slices.Contains(names, info.Name) {
			found[id] = fmt.Sprintf("%v %s", info.Type, info.Name)
		}
	}
}

func maps(names []string) ([]string, error) {
	var found []string
	id := ebpf.MapID(0)
	for {
		next, err := ebpf.MapGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		id = next
		m, err := ebpf.NewMapFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := m.Info()
		m.Close()
		if err != nil {
			return nil, err
		}
		if slices.Contains(names, info.Name) {
			found = append(found, fmt.Sprintf("%v %s", info.Type, info.Name))
		}
	}
}

func run(names []string) error {
	byID, err := programs(names)
	if err != nil {
		return err
	}
	for _, program := range byID {
		fmt.Println("program", program)
	}
	listed, err := maps(names)
	if err != nil {
		return err
	}
	for _, m := range listed {
		fmt.Println("map    ", m)
	}
	links := &link.Iterator{}
	defer links.Close()
	for links.Next() {
		info, err := links.Link.Info()
		if err != nil {
			return err
		}
		if program, ours := byID[info.Program]; ours {
			fmt.Println("link    to", program)
		}
	}
	if len(byID) == 0 && len(listed) == 0 {
		fmt.Println("nothing")
	}
	return links.Err()
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "objects:", err)
		os.Exit(1)
	}
}
