// Refused shows what the verifier says of each program in refused.bpf.c, or of those that are named.
package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/cilium/ebpf"
)

//go:generate go tool bpf2go -go-package main -target amd64 refused refused.bpf.c -- -O2 -g -mcpu=v3 -I../headers

var programs = []string{
	"no_null_check", "no_bounds_check", "kernel_pointer", "through_context", "never_submitted", "endless",
	"wrong_type",
}

// What a log holds behind the reason: statistics, and the two states that a loop was seen in.
var noise = regexp.MustCompile(`^(processed |cur state: |old state: |$)`)

// verdict loads one program of the collection and returns the last lines of the verifier's log.
func verdict(name string, lines int) (string, error) {
	spec, err := loadRefused()
	if err != nil {
		return "", err
	}
	for other := range spec.Programs {
		if other != name {
			delete(spec.Programs, other)
		}
	}
	collection, err := ebpf.NewCollection(spec)
	if err == nil {
		collection.Close()
		return "accepted", nil
	}
	var refused *ebpf.VerifierError
	if !errors.As(err, &refused) {
		return "", err
	}
	var log []string
	for _, line := range refused.Log {
		if line = strings.TrimSpace(line); !noise.MatchString(line) {
			log = append(log, line)
		}
	}
	return strings.Join(log[max(0, len(log)-lines):], "\n"), nil
}

func main() {
	if len(os.Args) > 1 {
		programs = os.Args[1:]
	}
	for _, name := range programs {
		said, err := verdict(name, 2)
		if err != nil {
			fmt.Fprintln(os.Stderr, "refused:", err)
			os.Exit(1)
		}
		fmt.Printf("%s\n  %s\n", name, strings.ReplaceAll(said, "\n", "\n  "))
	}
}
