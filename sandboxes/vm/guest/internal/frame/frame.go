// Package frame is the wire format between the host and the guest's agent, the same in both directions.
//
// A frame is a fixed head of 20 bytes, a JSON object and a payload:
//
//	0  magic "lmvm"
//	4  protocol version
//	5  zero
//	6  length of the JSON object, 16 bits
//	8  length of the payload, 32 bits
//	12 session, 32 bits
//	16 CRC-32 (IEEE) of the 16 bytes before it
//
// Integers are big-endian. The channel may begin in the middle of a frame that a lost client left behind, so
// a reader that is not in a session looks for the next head, and a new client first sends Padding zeros: they
// fill up whatever frame was left open.
package frame

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	// Version is the protocol's; both sides refuse every other.
	Version = 1
	// MaxHeader bounds the JSON object of a frame.
	MaxHeader = 16 << 10
	// MaxPayload bounds the payload of a frame.
	MaxPayload = 32 << 10
	// Padding is what a new client sends ahead of its first frame.
	Padding = MaxHeader + MaxPayload
	headLen = 20
)

var magic = [4]byte{'l', 'm', 'v', 'm'}

// ErrTooLong is returned by Append for a frame that no reader would take.
var ErrTooLong = errors.New("frame too long")

// Frame is one message.
type Frame struct {
	Session uint32
	Header  []byte
	Payload []byte
}

// Append encodes f behind what dst holds.
func Append(dst []byte, f Frame) ([]byte, error) {
	if len(f.Header) > MaxHeader || len(f.Payload) > MaxPayload {
		return dst, fmt.Errorf("%w: %d and %d bytes", ErrTooLong, len(f.Header), len(f.Payload))
	}
	var head [headLen]byte
	copy(head[:], magic[:])
	head[4] = Version
	binary.BigEndian.PutUint16(head[6:], uint16(len(f.Header)))
	binary.BigEndian.PutUint32(head[8:], uint32(len(f.Payload)))
	binary.BigEndian.PutUint32(head[12:], f.Session)
	binary.BigEndian.PutUint32(head[16:], crc32.ChecksumIEEE(head[:16]))
	dst = append(dst, head[:]...)
	dst = append(dst, f.Header...)
	return append(dst, f.Payload...), nil
}

// Reader takes frames off a stream and skips whatever is none.
type Reader struct {
	in *bufio.Reader
}

// NewReader reads frames from in.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 64<<10)}
}

// Next returns the next whole frame. Memory is bounded by the limits of one frame, whatever comes.
func (r *Reader) Next() (Frame, error) {
	for {
		head, err := r.in.Peek(headLen)
		if err != nil {
			return Frame{}, err
		}
		headerLen, payloadLen, ok := lengths(head)
		if !ok {
			if err := r.skip(); err != nil {
				return Frame{}, err
			}
			continue
		}
		f := Frame{Session: binary.BigEndian.Uint32(head[12:])}
		if _, err := r.in.Discard(headLen); err != nil {
			return Frame{}, err
		}
		f.Header, f.Payload = make([]byte, headerLen), make([]byte, payloadLen)
		if _, err := io.ReadFull(r.in, f.Header); err != nil {
			return Frame{}, err
		}
		_, err = io.ReadFull(r.in, f.Payload)
		return f, err
	}
}

// skip drops bytes up to the next place where a head may begin.
func (r *Reader) skip() error {
	buffered, err := r.in.Peek(r.in.Buffered())
	if err != nil {
		return err
	}
	n := 1
	for n < len(buffered) && buffered[n] != magic[0] {
		n++
	}
	_, err = r.in.Discard(n)
	return err
}

func lengths(head []byte) (header, payload int, ok bool) {
	if [4]byte(head[:4]) != magic || head[4] != Version || head[5] != 0 {
		return 0, 0, false
	}
	if binary.BigEndian.Uint32(head[16:]) != crc32.ChecksumIEEE(head[:16]) {
		return 0, 0, false
	}
	header, payload = int(binary.BigEndian.Uint16(head[6:])), int(binary.BigEndian.Uint32(head[8:]))
	return header, payload, header <= MaxHeader && payload <= MaxPayload
}
