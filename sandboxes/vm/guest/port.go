package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const portName = "lastmile.agent"

// port is the guest's end of the virtio-serial channel. Reads and writes block, also while no host is there.
type port struct {
	fd   int
	news chan os.Signal
}

// openPort waits until the kernel has made the port.
func openPort(deadline time.Time) (*port, error) {
	for {
		if name := findPort(); name != "" {
			fd, err := unix.Open("/dev/"+name, unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return newPort(fd)
		}
		if time.Now().After(deadline) {
			return nil, errors.New("no port " + portName)
		}
		// devices appear while modules are loaded; nothing tells a process without udev
		time.Sleep(2 * time.Millisecond)
	}
}

func newPort(fd int) (*port, error) {
	p := &port{fd: fd, news: make(chan os.Signal, 1)}
	// the kernel tells by SIGIO that a host came, left or sent something (drivers/char/virtio_console.c)
	signal.Notify(p.news, syscall.SIGIO)
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETOWN, os.Getpid()); err != nil {
		return nil, err
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags|unix.O_ASYNC)
	}
	return p, err
}

func findPort() string {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err == nil && strings.TrimSpace(string(content)) == portName {
			return filepath.Base(filepath.Dir(name))
		}
	}
	return ""
}

// Read returns at least one byte, or an error that is no end of file: hosts come and go.
func (p *port) Read(into []byte) (int, error) {
	for {
		n, err := unix.Read(p.fd, into)
		switch {
		case n > 0:
			return n, nil
		case err == unix.EINTR || err == unix.EAGAIN:
		case err != nil:
			return 0, err
		default:
			<-p.news
		}
	}
}

func (p *port) Write(from []byte) (int, error) {
	written := 0
	for written < len(from) {
		n, err := unix.Write(p.fd, from[written:])
		if err != nil && err != unix.EINTR {
			return written, err
		}
		written += max(n, 0)
	}
	return written, nil
}
