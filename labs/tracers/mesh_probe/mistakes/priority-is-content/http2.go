package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHeader = 9
	firstTable  = 4096
	// what a peer may have allowed in its SETTINGS, which the other end's encoder then uses
	largestTable = 1 << 20
	largestBlock = 1 << 20
)

var errFrame = errors.New("not a frame of HTTP/2")

// frames reads one direction of a connection. HPACK's table lives as long as it does.
type frames struct {
	buffer  bytes.Buffer
	skip    int // bytes of the preface that are still to come
	decoder *hpack.Decoder
	block   []byte // a header block that goes on in CONTINUATION
	stream  uint32
	status  func(stream uint32, status int)
	reset   func(stream uint32, code http2.ErrCode)
}

func newFrames(skip int) *frames {
	f := &frames{skip: skip, decoder: hpack.NewDecoder(firstTable, nil)}
	f.decoder.SetAllowedMaxDynamicTableSize(largestTable)
	return f
}

// add takes the bytes that come next. After an error the table is not the sender's any more.
func (f *frames) add(data []byte) error {
	if n := min(f.skip, len(data)); n > 0 {
		f.skip -= n
		data = data[n:]
	}
	f.buffer.Write(data)
	for {
		b := f.buffer.Bytes()
		if len(b) < frameHeader {
			return nil
		}
		length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		if len(b) < frameHeader+length {
			return nil
		}
		f.buffer.Next(frameHeader + length)
		stream := binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1)
		if err := f.frame(http2.FrameType(b[3]), http2.Flags(b[4]), stream, b[frameHeader:frameHeader+length]); err != nil {
			return err
		}
	}
}

func (f *frames) frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) error {
	switch kind {
	case http2.FrameHeaders:
		payload, ok := fragment(flags, payload)
		if !ok {
			return errFrame
		}
		f.block, f.stream = append(f.block[:0], payload...), stream
	case http2.FrameContinuation:
		if stream != f.stream || len(f.block)+len(payload) > largestBlock {
			return errFrame
		}
		f.block = append(f.block, payload...)
	case http2.FrameRSTStream:
		if len(payload) != 4 {
			return errFrame
		}
		f.reset(stream, http2.ErrCode(binary.BigEndian.Uint32(payload)))
		return nil
	default:
		return nil
	}
	if !flags.Has(http2.FlagHeadersEndHeaders) {
		return nil
	}
	fields, err := f.decoder.DecodeFull(f.block)
	if err != nil {
		return err
	}
	for _, field := range fields {
		if field.Name == ":status" {
			if status, err := strconv.Atoi(field.Value); err == nil {
				f.status(stream, status)
			}
		}
	}
	return nil
}

// fragment is a HEADERS frame without its padding and priority.
func fragment(flags http2.Flags, b []byte) ([]byte, bool) {
	padding, front := 0, 0
	if flags.Has(http2.FlagHeadersPadded) {
		if len(b) < 1 {
			return nil, false
		}
		padding, front = int(b[0]), 1
	}
	if len(b) < front+padding {
		return nil, false
	}
	return b[front : len(b)-padding], true
}
