package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastmile.invalid/guest/internal/frame"
)

func init() {
	register("hello", hello)
	register("ping", ping)
	register("quiesce", quiesce)
}

type state struct {
	Protocol int     `json:"protocol"`
	Release  string  `json:"release"`
	Uptime   float64 `json:"uptime"`
	UnixNS   int64   `json:"unix_ns"`
}

// hello begins a session. Clones of one template share a clock and a random pool: both are set right here.
func hello(_ context.Context, call *Call) (any, error) {
	var args struct {
		Protocol int    `json:"protocol"`
		UnixNS   int64  `json:"unix_ns"`
		Entropy  string `json:"entropy"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	if args.Protocol != frame.Version {
		return nil, fmt.Errorf("the host speaks protocol %d, this agent %d", args.Protocol, frame.Version)
	}
	if args.UnixNS > 0 {
		now := unix.NsecToTimespec(args.UnixNS)
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
			return nil, fmt.Errorf("clock: %w", err)
		}
	}
	if args.Entropy != "" {
		seed, err := hex.DecodeString(args.Entropy)
		if err == nil {
			err = reseed(seed)
		}
		if err != nil {
			return nil, fmt.Errorf("entropy: %w", err)
		}
	}
	return now()
}

func ping(context.Context, *Call) (any, error) { return now() }

func now() (state, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return state{}, err
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return state{}, err
	}
	release := strings.TrimRight(string(name.Release[:]), "\x00")
	return state{frame.Version, release, float64(up.Nano()) / 1e9, time.Now().UnixNano()}, nil
}

// reseed adds seed to the kernel's pool and has the generator take its key from it at once: RNDADDENTROPY and
// RNDRESEEDCRNG of man 4 random. Without the second, a clone would go on with the template's key for minutes.
func reseed(seed []byte) error {
	const addEntropy, reseedCRNG, most = 0x40085203, 0x5207, 512
	if len(seed) > most {
		return fmt.Errorf("%d bytes of entropy", len(seed))
	}
	random, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer random.Close()
	info := struct {
		bits, size int32
		buffer     [most]byte
	}{bits: int32(8 * len(seed)), size: int32(len(seed))}
	copy(info.buffer[:], seed)
	for _, request := range []struct{ number, argument uintptr }{
		{addEntropy, uintptr(unsafe.Pointer(&info))}, {reseedCRNG, 0},
	} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, random.Fd(), request.number, request.argument); errno != 0 {
			return errno
		}
	}
	runtime.KeepAlive(&info)
	return nil
}

// quiesce gives back what memory can be given back; a template is taken afterwards.
func quiesce(context.Context, *Call) (any, error) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return nil, err
	}
	return nil, wipeFree()
}

// leftFree is what wipeFree does not take, so that nothing is killed for it.
const leftFree = 24 << 20

// wipeFree has the kernel fill free memory with zeros, which take no place in a template: what was freed keeps its
// content, such as the archive that the files were unpacked from. The kernel clears what it hands out.
func wipeFree() error {
	var about unix.Sysinfo_t
	if err := unix.Sysinfo(&about); err != nil {
		return err
	}
	size := int64(about.Freeram)*int64(about.Unit) - leftFree
	if size <= 0 {
		return nil
	}
	const kind = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_POPULATE
	taken, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, kind)
	if err != nil {
		return err
	}
	return unix.Munmap(taken)
}
