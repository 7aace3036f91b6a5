//go:build cgo

// Libbpf does what ../cilium does, through cgo.
package main

/*
#cgo LDFLAGS: -lbpf -lelf -lz
#include <errno.h>
#include <stdlib.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static int quiet(enum libbpf_print_level level, const char *format, va_list words) { return 0; }
static void be_quiet(void) { libbpf_set_print(quiet); }
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"

	"lastmile.example/tracers/compare/memory"
)

func run(path string) error {
	C.be_quiet()
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	object, err := C.bpf_object__open_file(name, nil)
	if object == nil {
		return fmt.Errorf("open: %w", err)
	}
	defer C.bpf_object__close(object)
	if code, err := C.bpf_object__load(object); code != 0 {
		return fmt.Errorf("load: %w", err)
	}
	word := C.CString("on_exec")
	defer C.free(unsafe.Pointer(word))
	program := C.bpf_object__find_program_by_name(object, word)
	attached, err := C.bpf_program__attach(program)
	if attached == nil {
		return fmt.Errorf("attach: %w", err)
	}
	defer C.bpf_link__destroy(attached)
	called := C.CString("counts")
	defer C.free(unsafe.Pointer(called))
	counts := C.bpf_object__find_map_fd_by_name(object, called)
	pid, value := C.uint(os.Getpid()), C.ulonglong(0)
	if code, err := C.bpf_map_update_elem(counts, unsafe.Pointer(&pid), unsafe.Pointer(&value), C.BPF_ANY); code != 0 {
		return fmt.Errorf("put: %w", err)
	}
	if code, err := C.bpf_map_lookup_elem(counts, unsafe.Pointer(&pid), unsafe.Pointer(&value)); code != 0 {
		return fmt.Errorf("lookup: %w", err)
	}
	return nil
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "libbpf:", err)
		os.Exit(1)
	}
	fmt.Println(memory.Peak())
}
