package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	padding = 40
	// what fits into one frame, and often enough into a connection's window, which the client never opens
	maxMadeBody = 4096
)

// nowhere is a header block that refers to entry 2175, which no table of 4096 bytes can have: RFC 7541, section 2.3.3.
var nowhere = []byte{0xff, 0x80, 0x10}

// made is a server whose frames are written one by one: what the standard allows and no real server does, and
// what it forbids.
func (m *mesh) made(conn net.Conn) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if framer.WriteSettings() != nil {
		return
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	_ = readUntil(framer, func(f http2.Frame) bool {
		request, ok := f.(*http2.MetaHeadersFrame)
		if !ok {
			return false
		}
		want := m.orders.take(request.PseudoValue("path"))
		if want == nil {
			return true
		}
		block.Reset()
		_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(want.Status)})
		return answerMade(framer, request.StreamID, want.exchangePlan, block.Bytes()) != nil
	})
}

func answerMade(framer *http2.Framer, stream uint32, e exchangePlan, block []byte) error {
	switch e.Ask {
	case "padded":
		err := framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: e.Body == 0,
			PadLength: padding, Priority: http2.PriorityParam{Weight: 15},
		})
		if err != nil || e.Body == 0 {
			return err
		}
		return framer.WriteDataPadded(stream, true, make([]byte, min(e.Body, maxMadeBody)), make([]byte, padding))
	case "broken":
		return framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, BlockFragment: nowhere, EndHeaders: true, EndStream: true,
		})
	}
	return errors.New("no such answer")
}

// askMade has a server of hand-made frames answer as it says.
func (m *mesh) askMade(framer *http2.Framer, stream uint32, p sessionPlan, e exchangePlan) (string, error) {
	if err := m.sendRequest(framer, stream, p, e); err != nil {
		return "", err
	}
	if e.Ask == "broken" {
		// it is looked at undecoded: what comes after it this client decodes, as no correct one does
		decoder := framer.ReadMetaHeaders
		framer.ReadMetaHeaders = nil
		defer func() { framer.ReadMetaHeaders = decoder }()
	}
	said := ""
	err := readUntil(framer, func(f http2.Frame) bool {
		if f.Header().StreamID != stream {
			return false
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			said = f.PseudoValue("status")
			return f.StreamEnded()
		case *http2.HeadersFrame:
			said = fmt.Sprintf("broken % x", f.HeaderBlockFragment())
			return f.StreamEnded()
		case *http2.DataFrame:
			return f.StreamEnded()
		}
		return false
	})
	return said, err
}
