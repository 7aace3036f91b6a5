// Cidr sends packets from some addresses and tells which network of an LPM trie each was counted for.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

//go:generate go tool bpf2go -go-package main -target amd64 -type prefix cidr cidr.bpf.c -- -O2 -g -mcpu=v3 -I../headers

// All on loopback: a pod network, a piece of it with a number of its own, and the node's network.
var networks = []string{"127.10.0.0/16", "127.10.9.0/24", "127.20.0.0/16"}

// region key
func key(network netip.Prefix) cidrPrefix {
	return cidrPrefix{Bits: uint32(network.Bits()), Address: network.Masked().Addr().As4()}
}

// endregion key

// listen opens a packet socket on loopback whose packets the program sees.
func listen(program *ebpf.Program) (int, error) {
	const all = 0x0300 // ETH_P_ALL in network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, program.FD()); err != nil {
		return -1, err
	}
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		return -1, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: loopback.Index})
}

func say(from string) error {
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
	connection, err := dialer.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = connection.Write([]byte("x"))
	return err
}

func run() error {
	var objects cidrObjects
	if err := loadCidrObjects(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	for number, network := range networks {
		if err := objects.Pods.Put(key(netip.MustParsePrefix(network)), uint32(number)); err != nil {
			return err
		}
	}
	fd, err := listen(objects.ByPod)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, from := range []string{"127.10.1.1", "127.10.9.7", "127.20.0.1", "127.30.0.1"} {
		if err := say(from); err != nil {
			return err
		}
		counted := "nothing"
		for number, network := range networks {
			var packets uint64
			if err := objects.Packets.Lookup(uint32(number), &packets); err != nil {
				return err
			}
			if packets > 0 {
				counted = network
			}
			if err := objects.Packets.Put(uint32(number), uint64(0)); err != nil {
				return err
			}
		}
		fmt.Printf("%-11s counted for %s\n", from, counted)
	}
	// the same network as a number of the machine instead of bytes of the wire
	wrong := cidrPrefix{Bits: 16}
	binary.NativeEndian.PutUint32(wrong.Address[:], binary.BigEndian.Uint32([]byte{127, 10, 0, 0}))
	fmt.Printf("127.10.0.0/16 as a host-order number is the prefix %d.%d.0.0/16\n", wrong.Address[0], wrong.Address[1])
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cidr:", err)
		os.Exit(1)
	}
}
