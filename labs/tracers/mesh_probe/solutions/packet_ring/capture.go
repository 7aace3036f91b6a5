package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The ring that the kernel writes packets to. Blocks are many rather than large: the kernel hands one over when it is
// full or after retireAfter, so if this process gets no CPU the ring lasts blocks × retireAfter for a trickle.
const (
	blockSize   = 256 << 10 // room for a segment of 64 KiB, some times over
	blocks      = 128
	frameSize   = 2048 // of no meaning in version 3, except that it has to divide the block
	retireAfter = 50 * time.Millisecond
)

// capture is a packet socket with a ring (TPACKET_V3). It needs no clearing up: with the process it is gone.
type capture struct {
	fd   int
	ring []byte
	next int // the block to be read next
}

func openCapture(device string, filter *ebpf.Program) (_ *capture, err error) {
	nic, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("PROBE_INTERFACE %s: %w", device, err)
	}
	// protocol 0: not a packet before the filter and the device are set
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	c := &capture{fd: fd}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("TPACKET_V3: %w", err)
	}
	request := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: blocks,
		Frame_size: frameSize, Frame_nr: blockSize / frameSize * blocks,
		Retire_blk_tov: uint32(retireAfter / time.Millisecond),
	}
	if err = unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("ring of packets: %w", err)
	}
	c.ring, err = unix.Mmap(fd, 0, blockSize*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("ring of packets: %w", err)
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, filter.FD()); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // with ETH_P_IP alone what goes out would be missing
	if err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: nic.Index}); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", device, err)
	}
	return c, nil
}

func (c *capture) close() {
	if c.ring != nil {
		unix.Munmap(c.ring)
	}
	unix.Close(c.fd)
}

// wait returns when there are packets, or after the time-out.
func (c *capture) wait(timeout time.Duration) error {
	poll := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	_, err := unix.Poll(poll, int(timeout/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	if poll[0].Revents&unix.POLLERR != 0 { // the device went down, say; reading the error clears it
		unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		time.Sleep(timeout)
	}
	return nil
}

// read gives the packets of the next block to take, and the block back to the kernel. It is false if there is none.
// The packets' data is valid only until then.
func (c *capture) read(take func(*segment)) bool {
	block := c.ring[c.next*blockSize : (c.next+1)*blockSize]
	descriptor := (*unix.TpacketBlockDesc)(unsafe.Pointer(&block[0]))
	header := (*unix.TpacketHdrV1)(unsafe.Pointer(&descriptor.Hdr[0]))
	if atomic.LoadUint32(&header.Block_status)&unix.TP_STATUS_USER == 0 {
		return false
	}
	clock := readClocks()
	offset := header.Offset_to_first_pkt
	for range header.Num_pkts {
		packet := block[offset:]
		info := (*unix.Tpacket3Hdr)(unsafe.Pointer(&packet[0]))
		address := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&packet[unix.SizeofTpacket3Hdr]))
		if s, ok := parseSegment(packet[info.Mac:][:info.Snaplen]); ok {
			s.outgoing = address.Pkttype == unix.PACKET_OUTGOING
			s.at = clock.monotonic(int64(info.Sec)*int64(time.Second) + int64(info.Nsec))
			take(&s)
		}
		offset += info.Next_offset
	}
	atomic.StoreUint32(&header.Block_status, unix.TP_STATUS_KERNEL)
	c.next = (c.next + 1) % blocks
	return true
}

// lost is how many packets found no room since it was last asked.
func (c *capture) lost() uint64 {
	stats, err := unix.GetsockoptTpacketStatsV3(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(stats.Drops)
}

// moment is a time of CLOCK_MONOTONIC in nanoseconds: a window must not jump when somebody sets the clock.
type moment int64

func now() moment { return readClocks().mono }

// clocks are both clocks at the same time. The kernel stamps packets with that of the wall.
type clocks struct {
	mono moment
	wall int64
}

func readClocks() clocks {
	var mono, wall unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono)
	unix.ClockGettime(unix.CLOCK_REALTIME, &wall)
	return clocks{moment(mono.Nano()), wall.Nano()}
}

// monotonic is when a packet with a stamp of the wall's clock passed. A stamp that makes no sense counts as now.
func (c clocks) monotonic(stamp int64) moment {
	age := c.wall - stamp
	if age < 0 || age > int64(time.Minute) {
		age = 0
	}
	return c.mono - moment(age)
}

// segment is what a packet says of a TCP connection.
type segment struct {
	source, target netip.AddrPort
	outgoing       bool
	seq, ack       uint32
	flags          uint8
	data           []byte
	at             moment
}

const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// parseSegment reads an Ethernet frame; the filter lets IPv4 and TCP pass only.
func parseSegment(frame []byte) (s segment, ok bool) {
	const ethernet, shortestIP, shortestTCP = 14, 20, 20
	if len(frame) < ethernet+shortestIP+shortestTCP {
		return s, false
	}
	ip := frame[ethernet:]
	total := int(binary.BigEndian.Uint16(ip[2:]))
	headers := int(ip[0]&15) * 4
	if headers < shortestIP || total > len(ip) || total < headers+shortestTCP {
		return s, false
	}
	tcp := ip[headers:total] // what follows is padding
	offset := int(tcp[12]>>4) * 4
	if offset < shortestTCP || offset > len(tcp) {
		return s, false
	}
	address := func(b []byte, port []byte) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(port))
	}
	return segment{
		source: address(ip[12:16], tcp[0:]), target: address(ip[16:20], tcp[2:]),
		seq: binary.BigEndian.Uint32(tcp[4:]), ack: binary.BigEndian.Uint32(tcp[8:]),
		flags: tcp[13], data: tcp[offset:],
	}, true
}
