// Command lifecycle counts the calls of getppid(2) that chosen processes make.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: lifecycle start | watch PID... | unwatch PID... | show | stop | run PID...")
		os.Exit(2)
	}
	var err error
	switch verb := os.Args[1]; verb {
	case "start":
		err = start()
	default:
		err = fmt.Errorf("%s: not written yet", verb)
	}
	if err != nil {
		// with + a refusal of the verifier is printed with its whole log
		fmt.Fprintf(os.Stderr, "lifecycle: %+v\n", err)
		os.Exit(1)
	}
}

// start loads the program. To do: attach it, and have it stay when this process ends.
func start() error {
	var objects bpfObjects
	if err := loadBpfObjects(&objects, nil); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return objects.Close()
}
