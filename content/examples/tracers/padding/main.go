// Padding asks this machine's kernel whether a key with a hole may go to a map.
package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
)

//go:generate go tool bpf2go -go-package main -target amd64 padding padding.bpf.c -- -O2 -g -mcpu=v3 -I../headers

func verdict(name string) string {
	spec, err := loadPadding()
	if err != nil {
		return err.Error()
	}
	for other := range spec.Programs {
		if other != name {
			delete(spec.Programs, other)
		}
	}
	collection, err := ebpf.NewCollection(spec)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		log := refused.Log
		for strings.HasPrefix(log[len(log)-1], "processed ") || strings.TrimSpace(log[len(log)-1]) == "" {
			log = log[:len(log)-1]
		}
		return strings.TrimSpace(log[len(log)-1])
	}
	if err != nil {
		return err.Error()
	}
	collection.Close()
	return "accepted"
}

func main() {
	for _, program := range []string{"with_a_hole", "zeroed"} {
		fmt.Printf("%-12s %s\n", program, verdict(program))
	}
}
