// Wire reads the status of HTTP/2 responses and the streams that were reset from the packets on loopback.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
)

//go:generate go tool bpf2go -go-package main -target amd64 wire wire.bpf.c -- -O2 -g -mcpu=v3 -I../headers

// region decode
// Direction is what one end of one connection sends: HPACK's table lives as long as it does.
type Direction struct {
	buffer bytes.Buffer
	framer *http2.Framer
	next   uint32 // the sequence number of the byte to come
	begun  bool
}

func NewDirection() *Direction {
	d := &Direction{}
	d.framer = http2.NewFramer(io.Discard, &d.buffer)
	d.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return d
}

// Take adds a segment that came next in order and calls take for each whole frame. A gap cannot be mended:
// what the lost bytes did to the table is not known, so the rest of this connection is not either.
func (d *Direction) Take(sequence uint32, data []byte, take func(http2.Frame)) error {
	if d.begun && sequence != d.next {
		return fmt.Errorf("bytes %d to %d are missing", d.next, sequence)
	}
	d.begun, d.next = true, sequence+uint32(len(data))
	d.buffer.Write(data)
	for d.whole() {
		frame, err := d.framer.ReadFrame()
		if err != nil {
			return err
		}
		take(frame)
	}
	return nil
}

// whole says whether there is a frame, of which the first three bytes are the length without the nine of the header.
func (d *Direction) whole() bool {
	b := d.buffer.Bytes()
	return len(b) >= 9 && len(b) >= 9+int(b[0])<<16+int(b[1])<<8+int(b[2])
}

// endregion decode

// listen opens a packet socket on loopback that gets what the filter lets through.
func listen(filter *ebpf.Program) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // 0: nothing before the filter
	if err != nil {
		return -1, err
	}
	loopback, err := net.InterfaceByName("lo")
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, filter.FD())
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 500_000})
	}
	if err == nil {
		const all = 0x0300 // ETH_P_ALL in network byte order
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: loopback.Index})
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// segment is the sequence number and the data of a TCP segment in an Ethernet frame.
func segment(packet []byte) (uint32, []byte) {
	ip := packet[14:]
	length := int(binary.BigEndian.Uint16(ip[2:]))
	tcp := ip[int(ip[0]&15)*4 : length]
	return binary.BigEndian.Uint32(tcp[4:]), tcp[int(tcp[12]>>4)*4:]
}

func serve() (net.Listener, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bad":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/reset":
			panic(http.ErrAbortHandler)
		}
	})}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(listener)
	return listener, nil
}

func ask(address string) error {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for _, path := range []string{"/", "/bad", "/bad", "/reset", "/bad"} {
		response, err := client.Get("http://" + address + path)
		if err != nil {
			if path == "/reset" {
				continue
			}
			return err
		}
		response.Body.Close()
	}
	return nil
}

func print(frame http2.Frame) {
	switch frame := frame.(type) {
	case *http2.MetaHeadersFrame:
		fmt.Printf("stream %d  :status %s\n", frame.StreamID, frame.PseudoValue("status"))
	case *http2.RSTStreamFrame:
		fmt.Printf("stream %d  RST_STREAM %v\n", frame.StreamID, frame.ErrCode)
	}
}

func run() error {
	listener, err := serve()
	if err != nil {
		return err
	}
	defer listener.Close()
	spec, err := loadWire()
	if err != nil {
		return err
	}
	if err := spec.Variables["server_port"].Set(uint16(listener.Addr().(*net.TCPAddr).Port)); err != nil {
		return err
	}
	var objects wireObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return err
	}
	defer objects.Close()
	fd, err := listen(objects.FromServer)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := ask(listener.Addr().String()); err != nil {
		return err
	}
	server := NewDirection()
	packet := make([]byte, 1<<17)
	for {
		n, from, err := unix.Recvfrom(fd, packet, 0)
		if errors.Is(err, unix.EAGAIN) {
			return nil // half a second without packets
		}
		if err != nil {
			return err
		}
		// on loopback a packet passes twice: going out, and coming in
		if link, ok := from.(*unix.SockaddrLinklayer); !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		sequence, data := segment(packet[:n])
		if err := server.Take(sequence, data, print); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "wire:", err)
		os.Exit(1)
	}
}
