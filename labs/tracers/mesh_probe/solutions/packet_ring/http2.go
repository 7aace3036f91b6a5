package main

import (
	"encoding/binary"
	"errors"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	defaultFrameSize = 16 << 10 // of RFC 9113, 6.5.2, until the other end allows more
	defaultTableSize = 4 << 10
	largestTable     = 1 << 16
	largestBlock     = 1 << 20 // of headers; a server that sends more is not believed
)

var errFrame = errors.New("no sensible frame")

// http2Connection decodes both directions of a connection. What requests say is not asked for, so only the server's
// header blocks are decoded.
type http2Connection struct {
	connection     *connection
	client, server frames
	decoder        *hpack.Decoder
	status         int // of the header block that is being decoded
}

func newHTTP2Connection(c *connection) *http2Connection {
	h := &http2Connection{connection: c}
	h.client = frames{http2: h, by: "client", largest: defaultFrameSize}
	h.server = frames{http2: h, by: "server", largest: defaultFrameSize, decodes: true}
	h.decoder = hpack.NewDecoder(defaultTableSize, h.field)
	h.decoder.SetMaxStringLength(largestBlock)
	h.decoder.SetAllowedMaxDynamicTableSize(largestTable) // the client's SETTINGS allow it, or do not: that is theirs
	return h
}

func (h *http2Connection) field(f hpack.HeaderField) {
	if f.Name == ":status" && len(f.Value) == 3 && h.status == 0 {
		h.status, _ = strconv.Atoi(f.Value)
	}
}

// frames cuts the bytes of one direction into frames. Payloads that nobody needs are skipped, not collected.
type frames struct {
	http2   *http2Connection
	by      string
	decodes bool
	begun   bool
	largest int // frame that the other end allows

	header  []byte // of the frame that comes, up to 9 bytes
	frame   http2.FrameHeader
	left    int // bytes of its payload that are still to come
	collect bool
	payload []byte
	at      moment // when the last byte of the frame so far passed

	blockStream uint32 // a header block of this stream goes on in CONTINUATION
	block       []byte
	blockAt     moment
}

func (f *frames) other() *frames {
	if f.decodes {
		return &f.http2.client
	}
	return &f.http2.server
}

// read takes the next bytes. After an error there is no use in going on.
func (f *frames) read(data []byte, at moment) error {
	const headerSize = 9
	for len(data) > 0 {
		f.at = max(f.at, at) // the first part of a frame may have come after the last
		if len(f.header) < headerSize {
			n := min(headerSize-len(f.header), len(data))
			f.header = append(f.header, data[:n]...)
			data = data[n:]
			if len(f.header) < headerSize {
				return nil
			}
			if err := f.begin(); err != nil {
				return err
			}
		}
		n := min(f.left, len(data))
		if f.collect {
			f.payload = append(f.payload, data[:n]...)
		}
		f.left -= n
		data = data[n:]
		if f.left > 0 {
			return nil
		}
		if err := f.whole(); err != nil {
			return err
		}
		f.header, f.payload, f.at = f.header[:0], emptied(f.payload), 0
	}
	return nil
}

// begin looks at the header of a frame.
func (f *frames) begin() error {
	h := f.header
	f.frame = http2.FrameHeader{
		Length:   uint32(h[0])<<16 | uint32(h[1])<<8 | uint32(h[2]),
		Type:     http2.FrameType(h[3]),
		Flags:    http2.Flags(h[4]),
		StreamID: binary.BigEndian.Uint32(h[5:]) &^ (1 << 31),
	}
	f.left, f.collect = int(f.frame.Length), false
	onStream := f.frame.StreamID != 0
	switch {
	case f.left > f.largest:
		return errFrame
	case !f.begun && f.frame.Type != http2.FrameSettings:
		return errFrame
	case (f.blockStream != 0) != (f.frame.Type == http2.FrameContinuation):
		return errFrame
	case f.blockStream != 0 && f.blockStream != f.frame.StreamID:
		return errFrame
	}
	f.begun = true
	sensible := true
	switch f.frame.Type {
	case http2.FrameData:
		sensible = onStream
	case http2.FrameHeaders, http2.FrameContinuation:
		sensible = onStream
		f.collect = f.decodes
	case http2.FramePushPromise:
		sensible = onStream && f.decodes // servers push, clients do not
		f.collect = f.decodes
	case http2.FrameRSTStream:
		sensible = onStream && f.left == 4
		f.collect = true
	case http2.FrameSettings:
		acknowledges := f.frame.Flags.Has(http2.FlagSettingsAck)
		sensible = !onStream && f.left%6 == 0 && (f.left == 0 || !acknowledges)
		f.collect = true
	case http2.FramePriority:
		sensible = onStream
	case http2.FramePing:
		sensible = !onStream && f.left == 8
	case http2.FrameGoAway:
		sensible = !onStream && f.left >= 8
	case http2.FrameWindowUpdate:
		sensible = f.left == 4
	}
	if !sensible || f.collect && f.left > largestBlock {
		return errFrame
	}
	return nil
}

// whole does what a frame says.
func (f *frames) whole() error {
	switch f.frame.Type {
	case http2.FrameRSTStream:
		f.http2.connection.reset(f.frame.StreamID, f.by, binary.BigEndian.Uint32(f.payload), f.at)
	case http2.FrameSettings:
		for setting := f.payload; len(setting) > 0; setting = setting[6:] {
			id, value := http2.SettingID(binary.BigEndian.Uint16(setting)), binary.BigEndian.Uint32(setting[2:])
			if id == http2.SettingMaxFrameSize {
				f.other().largest = max(defaultFrameSize, int(value))
			}
		}
	case http2.FrameHeaders, http2.FramePushPromise, http2.FrameContinuation:
		return f.headers()
	}
	return nil
}

// headers adds a frame to the header block that it begins or goes on with.
func (f *frames) headers() error {
	// the flags PADDED and END_HEADERS are the same in HEADERS and PUSH_PROMISE, as is END_HEADERS in CONTINUATION
	f.blockStream = f.frame.StreamID
	ends := f.frame.Flags.Has(http2.FlagHeadersEndHeaders)
	if ends {
		f.blockStream = 0
	}
	if !f.decodes {
		return nil
	}
	fragment, padding, before := f.payload, 0, 0
	if f.frame.Type != http2.FrameContinuation {
		f.block, f.blockAt = f.block[:0], 0
		if f.frame.Flags.Has(http2.FlagHeadersPadded) {
			if len(fragment) == 0 {
				return errFrame
			}
			padding, fragment = int(fragment[0]), fragment[1:]
		}
		switch {
		case f.frame.Type == http2.FramePushPromise:
			before = 4 // the stream that is promised
		case f.frame.Flags.Has(http2.FlagHeadersPriority):
			before = 5
		}
	}
	if before+padding > len(fragment) {
		return errFrame
	}
	f.block = append(f.block, fragment[before:len(fragment)-padding]...)
	f.blockAt = max(f.blockAt, f.at)
	if len(f.block) > largestBlock {
		return errFrame
	}
	if !ends {
		return nil
	}
	err := f.http2.decode(f.block, f.blockAt)
	f.block = emptied(f.block)
	return err
}

// emptied is a buffer to be used again, unless it has become large.
func emptied(buffer []byte) []byte {
	if cap(buffer) > defaultFrameSize {
		return nil
	}
	return buffer[:0]
}

// decode takes a whole header block of the server. Trailers and promised requests have no status; 1xx is not yet the
// response.
func (h *http2Connection) decode(block []byte, at moment) error {
	h.status = 0
	for len(block) > 0 && block[0]>>5 == 0b001 {
		// A block may begin with two updates of the table's size, the smallest one that there was and the last
		// (RFC 7541, 4.2). The decoder takes a second one only if nothing is left in its table, so each gets a block
		// of its own.
		n := 1
		if block[0]&0x1f == 0x1f {
			for n < len(block) && block[n]&0x80 != 0 {
				n++
			}
			n++
		}
		if n > len(block) {
			return errFrame
		}
		if err := h.decodePart(block[:n]); err != nil {
			return err
		}
		block = block[n:]
	}
	if err := h.decodePart(block); err != nil {
		return err
	}
	if h.status >= 200 {
		h.connection.target.response(h.status, at)
	}
	return nil
}

func (h *http2Connection) decodePart(part []byte) error {
	if _, err := h.decoder.Write(part); err != nil {
		return err
	}
	return h.decoder.Close()
}

func (c *connection) reset(stream uint32, by string, code uint32, at moment) {
	c.target.reset(streamKey{c.id, stream}, by, http2.ErrCode(code), at)
}
