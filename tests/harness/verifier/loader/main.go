// loader loads the eBPF objects that it is given, one by one, and prints what the kernel said, as a tracer
// would: a line "== NAME" for each, then the verifier's log. It is what the recorded logs beside it were made with.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
)

func main() {
	for _, file := range os.Args[1:] {
		fmt.Printf("== %s\n", strings.TrimSuffix(filepath.Base(file), ".o"))
		if err := load(file); err != nil {
			fmt.Printf("%+v\n", err)
		} else {
			fmt.Println("accepted")
		}
	}
}

func load(file string) error {
	spec, err := ebpf.LoadCollectionSpec(file)
	if err != nil {
		return err
	}
	collection, err := ebpf.NewCollection(spec)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		return fmt.Errorf("%s", strings.Join(refused.Log, "\n"))
	}
	if err == nil {
		collection.Close()
	}
	return err
}
