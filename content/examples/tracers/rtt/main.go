// Rtt compares tcp_sock.srtt_us with what the kernel tells the owner of the socket by TCP_INFO.
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

//go:generate go tool bpf2go -go-package main -target amd64 rtt rtt.bpf.c -- -O2 -g -mcpu=v3 -I../headers

func info(connection *net.TCPConn) (info *unix.TCPInfo, err error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if controlErr != nil {
		return nil, controlErr
	}
	return info, err
}

func run() error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() {
		if accepted, err := listener.Accept(); err == nil {
			io.Copy(accepted, accepted)
			accepted.Close()
		}
	}()
	spec, err := loadRtt()
	if err != nil {
		return err
	}
	if err := spec.Variables["server_port"].Set(uint16(listener.Addr().(*net.TCPAddr).Port)); err != nil {
		return err
	}
	var objects rttObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	attached, err := link.AttachTracing(link.TracingOptions{Program: objects.Received})
	if err != nil {
		return err
	}
	defer attached.Close()
	dialled, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		return err
	}
	connection := dialled.(*net.TCPConn)
	defer connection.Close()

	agree, unshifted := 0, 0
	for range 20 {
		before, err := info(connection)
		if err != nil {
			return err
		}
		if _, err := connection.Write([]byte("ping")); err != nil {
			return err
		}
		if _, err := io.ReadFull(connection, make([]byte, 4)); err != nil {
			return err
		}
		after, err := info(connection)
		if err != nil {
			return err
		}
		var srtt uint32
		if err := objects.LastSrttUs.Get(&srtt); err != nil {
			return err
		}
		// the program runs before this packet's own sample is worked in, or after that of the one before it
		if srtt>>3 == before.Rtt || srtt>>3 == after.Rtt {
			agree++
		}
		if srtt == before.Rtt || srtt == after.Rtt {
			unshifted++
		}
	}
	fmt.Printf("srtt_us      is TCP_INFO's rtt: %2d of 20\n", unshifted)
	fmt.Printf("srtt_us >> 3 is TCP_INFO's rtt: %2d of 20\n", agree)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rtt:", err)
		os.Exit(1)
	}
}
