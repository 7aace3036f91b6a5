// lifecycle: see the brief. One file per concern: the command line here, the kernel's side in kernel.go.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// failure carries the exit code of the command.
type failure struct {
	code int
	text string
}

func (f failure) Error() string { return f.text }

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		code := 1
		if f, ok := err.(failure); ok {
			code = f.code
		}
		fmt.Fprintf(os.Stderr, "%+v\n", err)
		os.Exit(code)
	}
}

func dispatch(args []string) error {
	pids, err := arguments(args)
	if err != nil {
		return err
	}
	switch args[0] {
	case "start":
		return start()
	case "stop":
		return sweep()
	case "run":
		return foreground(pids)
	}
	k, err := reopen()
	if err != nil {
		return err
	}
	defer k.close()
	switch args[0] {
	case "watch":
		return k.watch(pids)
	case "unwatch":
		return k.unwatch(pids)
	default:
		return k.print()
	}
}

// arguments checks the whole command line before anything is done.
func arguments(args []string) ([]uint32, error) {
	takesPIDs, known := map[string]bool{
		"start": false, "stop": false, "show": false, "watch": true, "unwatch": true, "run": true,
	}[strings.Join(args[:min(1, len(args))], "")]
	if !known || takesPIDs != (len(args) > 1) {
		return nil, failure{2, "start | stop | show | watch PID... | unwatch PID... | run PID..."}
	}
	var pids []uint32
	for _, arg := range args[1:] {
		n, err := strconv.Atoi(arg)
		if err != nil || strings.HasPrefix(arg, "+") || n < 1 || n > 4194304 {
			return nil, failure{2, fmt.Sprintf("not a PID: %q", arg)}
		}
		pids = append(pids, uint32(n))
	}
	return pids, nil
}

func foreground(pids []uint32) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	k, err := load()
	if err != nil {
		return err
	}
	defer k.close()
	if err := k.watch(pids); err != nil {
		return err
	}
	if err := k.attach(); err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	if err := k.detach(); err != nil {
		return err
	}
	return k.print()
}
