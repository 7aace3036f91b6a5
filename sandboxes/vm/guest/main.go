// Command guest is the first and only process of a grading machine: it brings the kernel's file systems, modules
// and interfaces up, and then does what the host asks for over a virtio-serial port. See sandboxes/vm.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"time"
)

// memoryLimit is where the agent collects garbage instead of growing. A leak shows, it does not eat the guest.
const memoryLimit = 48 << 20

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, "agent: "+format+"\n", args...) }

func main() {
	debug.SetMemoryLimit(memoryLimit)
	if os.Getpid() != 1 {
		logf("this is the first process of a grading machine; it does nothing elsewhere")
		os.Exit(2)
	}
	// Go ends on some signals that anybody may send (SEGV, ABRT, QUIT…); one that is listened for ends nothing. The
	// channel is never read, and a fault of the agent's own still is one.
	signal.Notify(make(chan os.Signal, 1))
	if err := serve(); err != nil {
		logf("%v", err)
	}
	// the first process may not end: the kernel panics, and the machine is gone, which is what the host is to see
	os.Exit(1)
}

func serve() error {
	if err := boot(); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	go children.run()
	channel, err := openPort(time.Now().Add(10 * time.Second))
	if err != nil {
		return err
	}
	logf("%s, ready", runtime.Version())
	return newServer(channel).serve(channel)
}
