// Command lifecycle counts the calls of getppid(2) that chosen processes make.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

const (
	maxProcesses = 64      // as in bpf/lifecycle.h
	maxPID       = 1 << 22 // the largest that Linux gives out
)

// What a caller is told by the exit code; any other error is 1.
var (
	errUsage      = errors.New("usage: lifecycle start | watch PID... | unwatch PID... | show | stop | run PID...")
	errStarted    = errors.New("already started")
	errFull       = fmt.Errorf("no room: at most %d processes are remembered", maxProcesses)
	errNotStarted = errors.New("not started")
)

func main() {
	err := command(os.Args[1:])
	if err != nil {
		// a VerifierError prints its whole log with +
		fmt.Fprintf(os.Stderr, "lifecycle: %+v\n", err)
	}
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errStarted):
		return 3
	case errors.Is(err, errFull):
		return 4
	case errors.Is(err, errNotStarted):
		return 5
	default:
		return 1
	}
}

func command(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	verb, rest := args[0], args[1:]
	switch verb {
	case "start", "show", "stop":
		if len(rest) > 0 {
			return errUsage
		}
		return map[string]func() error{"start": start, "show": show, "stop": stop}[verb]()
	case "watch", "unwatch", "run":
		pids, err := parse(rest)
		if err != nil {
			return err
		}
		return map[string]func([]uint32) error{"watch": watch, "unwatch": unwatch, "run": run}[verb](pids)
	default:
		return errUsage
	}
}

// parse reads at least one PID.
func parse(args []string) ([]uint32, error) {
	if len(args) == 0 {
		return nil, errUsage
	}
	pids := make([]uint32, 0, len(args))
	for _, arg := range args {
		pid, err := strconv.ParseUint(arg, 10, 32)
		if err != nil || pid > maxPID {
			return nil, fmt.Errorf("%q is not a PID; %w", arg, errUsage)
		}
		pids = append(pids, uint32(pid))
	}
	return pids, nil
}
