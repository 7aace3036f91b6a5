package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

func init() {
	register("bpf_unpin", unpin)
	register("bpf_obstruct", obstruct)
}

// unpin takes one pin away, as who is not the one that made it would.
func unpin(_ context.Context, call *Call) (any, error) {
	path, err := boundPin(call)
	if err != nil {
		return nil, err
	}
	return nil, os.Remove(path)
}

// obstruct makes a folder where somebody may want to pin something, and pins an array named other in it.
func obstruct(_ context.Context, call *Call) (any, error) {
	path, err := boundPin(call)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	foreign, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "other", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1,
	})
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(foreign.Pin(filepath.Join(path, "other")), foreign.Close())
}

func boundPin(call *Call) (string, error) {
	var args struct {
		Name string `json:"name"`
	}
	if err := call.Bind(&args); err != nil {
		return "", err
	}
	if !fs.ValidPath(args.Name) || args.Name == "." {
		return "", fmt.Errorf("%q is not the name of a pin below %s", args.Name, bpfFolder)
	}
	return filepath.Join(bpfFolder, args.Name), nil
}
