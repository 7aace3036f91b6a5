package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dummy* are the addresses of an interface that swallows all it is given: who connects to a neighbour there waits.
const (
	dummyName = "dummy0"
	dummyIPv4 = "10.99.0.1"
	dummyIPv6 = "fd99::1"
)

var mounts = []struct{ source, target, kind, data string }{
	{"proc", "/proc", "proc", ""},
	{"sysfs", "/sys", "sysfs", ""},
	{"devtmpfs", "/dev", "devtmpfs", ""},
	{"tmpfs", "/tmp", "tmpfs", "mode=1777,size=32m"},
	{"tmpfs", "/run", "tmpfs", "mode=0755,size=8m"},
	{"tmpfs", workDir, "tmpfs", "mode=0755,size=96m"},
	{"cgroup2", cgroupRoot, "cgroup2", ""},
	{"bpf", "/sys/fs/bpf", "bpf", "mode=0700"},
	{"tracefs", "/sys/kernel/tracing", "tracefs", ""},
	{"debugfs", "/sys/kernel/debug", "debugfs", ""},
}

// boot brings up what a kernel without an init system lacks. It is only called in the first process.
func boot() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.source, m.target, m.kind, 0, m.data); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := loadModules("/modules"); err != nil {
		return err
	}
	return errors.Join(giveControllers(), bringUpNetwork(), os.Setenv("PATH", "/bin"))
}

// loadModules loads them in the order of their names, and frees the memory that their files take.
func loadModules(folder string) error {
	names, err := filepath.Glob(folder + "/*.ko")
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := unix.InitModule(content, ""); err != nil && err != unix.EEXIST {
			return fmt.Errorf("module %s: %w", filepath.Base(name), err)
		}
	}
	return os.RemoveAll(folder)
}

func bringUpNetwork() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := setFlags(fd, "lo", unix.IFF_UP); err != nil {
		return err
	}
	if err := addIPv4(fd); err != nil {
		return err
	}
	if err := setFlags(fd, dummyName, unix.IFF_UP|unix.IFF_NOARP); err != nil {
		return err
	}
	return addIPv6()
}

func setFlags(fd int, name string, flags uint16) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	request.SetUint16(request.Uint16() | flags)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

func addIPv4(fd int) error {
	// in this order: there is no mask without an address
	for _, set := range []struct {
		request uint
		address string
	}{{unix.SIOCSIFADDR, dummyIPv4}, {unix.SIOCSIFNETMASK, "255.255.255.0"}} {
		ifreq, err := unix.NewIfreq(dummyName)
		if err == nil {
			err = ifreq.SetInet4Addr(net.ParseIP(set.address).To4())
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, set.request, ifreq)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", dummyName, err)
		}
	}
	return nil
}

// addIPv6 needs no wait for duplicates: on an interface without neighbours the kernel looks for none.
func addIPv6() error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	card, err := net.InterfaceByName(dummyName)
	if err != nil {
		return err
	}
	// struct in6_ifreq of linux/ipv6.h
	request := struct {
		address [16]byte
		prefix  uint32
		index   int32
	}{[16]byte(net.ParseIP(dummyIPv6)), 64, int32(card.Index)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return fmt.Errorf("%s, IPv6: %w", dummyName, errno)
	}
	return nil
}
