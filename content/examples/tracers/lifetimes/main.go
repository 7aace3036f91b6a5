// Lifetimes pins one thing at a time, kills the process that holds the rest, and looks what is left.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

//go:generate go tool bpf2go -go-package main -target amd64 execs ../execs/execs.bpf.c -- -O2 -g -mcpu=v3 -I../headers

const folder = "/sys/fs/bpf/lifetimes"

// hold loads and attaches, pins what it is told to, says so, and waits to be killed.
func hold(what string, watched uint32) error {
	var objects execsObjects
	if err := loadExecsObjects(&objects, nil); err != nil {
		return err
	}
	if err := objects.Counts.Put(watched, uint64(0)); err != nil {
		return err
	}
	attached, err := link.Tracepoint("sched", "sched_process_exec", objects.OnExec, nil)
	if err != nil {
		return err
	}
	pins := map[string]interface{ Pin(string) error }{
		"map": objects.Counts, "program": objects.OnExec, "link": attached,
	}
	if pinned, ok := pins[what]; ok {
		if err := pinned.Pin(filepath.Join(folder, what)); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	select {}
}

// holdAndKill does that in a process of its own, which is dead when it returns.
func holdAndKill(what string) error {
	child := exec.Command("/proc/self/exe", what, fmt.Sprint(os.Getpid()))
	child.Stderr = os.Stderr
	said, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	_, err = said.Read(make([]byte, 1))
	child.Process.Kill()
	child.Wait()
	return err
}

func programs(name string) int {
	found := 0
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		if program, err := ebpf.NewProgramFromID(id); err == nil {
			if info, err := program.Info(); err == nil && info.Name == name {
				found++
			}
			program.Close()
		}
	}
	return found
}

// count reads the counter that watches us, from whatever map of that name there is.
func count(name string) (value uint64, here bool) {
	for id, err := ebpf.MapGetNextID(0); err == nil; id, err = ebpf.MapGetNextID(id) {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		defer m.Close()
		if info, err := m.Info(); err == nil && info.Name == name {
			if m.Lookup(uint32(os.Getpid()), &value) == nil {
				return value, true
			}
		}
	}
	return 0, false
}

// settle gives the kernel a second to let go: it does so in the background.
func settle() {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, here := count("counts"); !here && programs("on_exec") == 0 {
			return
		}
	}
}

func look(what string) error {
	if err := holdAndKill(what); err != nil {
		return err
	}
	settle()
	program, counts, counting := "gone", "gone", "-"
	if programs("on_exec") > 0 {
		program = "here"
	}
	if before, here := count("counts"); here {
		counts, counting = "here", "no"
		if err := exec.Command("/bin/true").Run(); err != nil {
			return err
		}
		if after, _ := count("counts"); after > before {
			counting = "yes"
		}
	}
	fmt.Printf("%-9s %-8s %-5s %s\n", what, program, counts, counting)
	os.Remove(filepath.Join(folder, what))
	settle()
	return nil
}

func run() error {
	if len(os.Args) == 3 {
		var watched uint32
		fmt.Sscan(os.Args[2], &watched)
		return hold(os.Args[1], watched)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	defer os.Remove(folder)
	fmt.Println("pinned    program  map   counting")
	for _, what := range []string{"nothing", "map", "program", "link"} {
		if err := look(what); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lifetimes:", err)
		os.Exit(1)
	}
}
