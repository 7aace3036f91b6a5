package main

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	ethernetHeader = 14
	largest        = ethernetHeader + 1<<16
	bufferBytes    = 8 << 20
	finFlag        = 1
	synFlag        = 2
	rstFlag        = 4
	ackFlag        = 16
)

// packet is a TCP segment. data is good until the next one is read.
type packet struct {
	at       time.Time // when the kernel saw it, not when it was read
	src, dst netip.AddrPort
	seq, ack uint32
	flags    byte
	data     []byte
}

func (p *packet) has(flag byte) bool { return p.flags&flag != 0 }

// capture is a packet socket on one device that gets what the filter lets through. Where a packet passes twice, as on
// loopback, it is there twice: who puts segments in order does not mind.
type capture struct {
	fd      int
	stopped atomic.Bool
}

func listen(device string, filter *ebpf.Program) (*capture, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // 0: nothing before the filter
	if err != nil {
		return nil, err
	}
	link, err := net.InterfaceByName(device)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, filter.FD())
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferBytes)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 500_000})
	}
	if err == nil {
		const all = 0x0300 // ETH_P_ALL in network byte order
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index})
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &capture{fd: fd}, nil
}

// follow hands over each segment until stop is called.
func (c *capture) follow(take func(*packet)) error {
	defer unix.Close(c.fd)
	buffer, control := make([]byte, largest), make([]byte, 128)
	for !c.stopped.Load() {
		n, controlled, _, _, err := unix.Recvmsg(c.fd, buffer, control, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if p, ok := parse(buffer[:n]); ok {
			p.at = stamp(control[:controlled])
			take(&p)
		}
	}
	return nil
}

func (c *capture) stop() { c.stopped.Store(true) }

func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			at := (*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			return time.Unix(at.Unix())
		}
	}
	return time.Now()
}

func parse(frame []byte) (packet, bool) {
	if len(frame) < ethernetHeader+40 {
		return packet{}, false
	}
	ip := frame[ethernetHeader:]
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if total > len(ip) || total < header+20 {
		return packet{}, false
	}
	tcp := ip[header:total]
	offset := int(tcp[12]>>4) * 4
	if offset < 20 || offset > len(tcp) {
		return packet{}, false
	}
	port := func(at int) uint16 { return binary.BigEndian.Uint16(tcp[at:]) }
	return packet{
		src:   netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), port(0)),
		dst:   netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), port(2)),
		seq:   binary.BigEndian.Uint32(tcp[4:]),
		ack:   binary.BigEndian.Uint32(tcp[8:]),
		flags: tcp[13],
		data:  tcp[offset:],
	}, true
}
