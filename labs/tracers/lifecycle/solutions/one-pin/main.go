// Command lifecycle counts the calls of getppid(2) that chosen processes make.
//
//	lifecycle start            load, attach and pin
//	lifecycle watch PID...     from now on these processes are counted
//	lifecycle unwatch PID...   from now on they are not
//	lifecycle show             the counts
//	lifecycle stop             detach and unpin
//	lifecycle run PID...       the same in the foreground, without pins
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// Errors with an exit code of their own. All others exit with 1.
var (
	errUsage      = errors.New("usage: lifecycle start | watch PID... | unwatch PID... | show | stop | run PID...")
	errStarted    = errors.New("it was started already")
	errNoRoom     = errors.New("no room")
	errNotStarted = errors.New("not started")
)

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errStarted):
		return 3
	case errors.Is(err, errNoRoom):
		return 4
	case errors.Is(err, errNotStarted):
		return 5
	}
	return 1
}

func main() {
	err := command(os.Args[1:])
	if err != nil {
		// with + a refusal of the verifier is printed with its whole log
		fmt.Fprintf(os.Stderr, "lifecycle: %+v\n", err)
	}
	os.Exit(exitCode(err))
}

// command looks at all of the arguments before anything is done.
func command(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "start", "show", "stop":
		if len(args) > 0 {
			return fmt.Errorf("%s takes no arguments\n%w", name, errUsage)
		}
		return map[string]func() error{"start": start, "show": show, "stop": stop}[name]()
	case "watch", "unwatch", "run":
		pids, err := parsePIDs(args)
		if err != nil {
			return err
		}
		return map[string]func([]uint32) error{"watch": watch, "unwatch": unwatch, "run": run}[name](pids)
	}
	return fmt.Errorf("no command %q\n%w", name, errUsage)
}

func parsePIDs(words []string) ([]uint32, error) {
	const largest = 4194304 // PID_MAX_LIMIT of a 64-bit kernel
	if len(words) == 0 {
		return nil, fmt.Errorf("at least one PID\n%w", errUsage)
	}
	pids := make([]uint32, len(words))
	for i, word := range words {
		pid, err := strconv.ParseUint(word, 10, 32)
		if err != nil || pid < 1 || pid > largest {
			return nil, fmt.Errorf("%q is no PID from 1 to %d\n%w", word, largest, errUsage)
		}
		pids[i] = uint32(pid)
	}
	return pids, nil
}

func watch(pids []uint32) error {
	return withStarted(func(t *table) error { return t.watch(pids) })
}

func unwatch(pids []uint32) error {
	return withStarted(func(t *table) error { return t.unwatch(pids) })
}

func show() error {
	return withStarted((*table).print)
}

// run holds all that it has in the kernel by descriptors, so that nothing outlives it, whatever ends it.
func run(pids []uint32) error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)

	t, objects, err := load()
	if err != nil {
		return err
	}
	defer objects.Close()
	if err := t.watch(pids); err != nil {
		return err
	}
	attached, err := attach(objects)
	if err != nil {
		return err
	}
	defer attached.Close()
	fmt.Println("ready")

	<-end
	if err := attached.Close(); err != nil { // the counts stand still from here on
		return fmt.Errorf("detach: %w", err)
	}
	return t.print()
}
