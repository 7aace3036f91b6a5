package main

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// beginFramer opens a connection whose frames are written one by one: no correct client resets a stream twice.
func (m *mesh) beginFramer(ctx context.Context, p sessionPlan) (*session, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		conn.Close()
		return nil, err
	}
	if err := framer.WriteSettings(); err != nil {
		conn.Close()
		return nil, err
	}
	next := uint32(1)
	return &session{
		local: conn.LocalAddr().String(),
		end:   func() { _ = conn.Close() },
		do: func(ctx context.Context, e exchangePlan) (string, error) {
			stream := next
			next += 2
			if deadline, ok := ctx.Deadline(); ok {
				_ = conn.SetDeadline(deadline)
			}
			if e.Ask == "reset" {
				return m.resetOften(ctx, framer, stream, p, e)
			}
			return m.askMade(framer, stream, p, e)
		},
	}, nil
}

func (m *mesh) resetOften(
	ctx context.Context, framer *http2.Framer, stream uint32, p sessionPlan, e exchangePlan,
) (string, error) {
	if err := m.sendRequest(framer, stream, p, exchangePlan{Ask: "cancel", Status: 200, Count: 1}); err != nil {
		return "", err
	}
	status := ""
	err := readUntil(framer, func(f http2.Frame) bool {
		headers, ok := f.(*http2.MetaHeadersFrame)
		if ok && headers.StreamID == stream {
			status = headers.PseudoValue("status")
		}
		return status != ""
	})
	if err != nil {
		return "", err
	}
	for range e.Count {
		pause(ctx, e.PauseMS)
		if err := framer.WriteRSTStream(stream, http2.ErrCode(e.Status)); err != nil {
			return "", err
		}
	}
	// its answer comes after all before it has been read
	ping := [8]byte{byte(stream)}
	if err := framer.WritePing(false, ping); err != nil {
		return "", err
	}
	err = readUntil(framer, func(f http2.Frame) bool {
		answer, ok := f.(*http2.PingFrame)
		return ok && answer.IsAck() && answer.Data == ping
	})
	return fmt.Sprintf("%s reset %d times", status, e.Count), err
}

// sendRequest asks for an answer by frames.
func (m *mesh) sendRequest(framer *http2.Framer, stream uint32, p sessionPlan, e exchangePlan) error {
	token, _ := m.orders.add(e)
	return writeRequest(framer, stream, p.Server.String(), "/api/"+token)
}

func writeRequest(framer *http2.Framer, stream uint32, host, path string) error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block) // without a table: each request has one of its own
	encoder.SetMaxDynamicTableSize(0)
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"},
		{Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: host},
		{Name: ":path", Value: path},
	} {
		if err := encoder.WriteField(field); err != nil {
			return err
		}
	}
	return framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
	})
}

// readUntil answers the server's settings on the way.
func readUntil(framer *http2.Framer, found func(http2.Frame) bool) error {
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
			if err := framer.WriteSettingsAck(); err != nil {
				return err
			}
		}
		if found(frame) {
			return nil
		}
	}
}
