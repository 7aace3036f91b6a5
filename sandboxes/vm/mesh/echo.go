package main

import (
	"context"
	"io"
)

// beginEcho is a TCP connection without anything above. Its round trips are what the kernel measures.
func (m *mesh) beginEcho(ctx context.Context, p sessionPlan) (*session, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &session{
		local: conn.LocalAddr().String(),
		end:   func() { _ = conn.Close() },
		srtt:  func() int { return smoothed(conn) },
		do: func(ctx context.Context, e exchangePlan) (string, error) {
			if deadline, ok := ctx.Deadline(); ok {
				_ = conn.SetDeadline(deadline)
			}
			sent := make([]byte, max(e.Body, 1))
			if _, err := conn.Write(sent); err != nil {
				return "", err
			}
			_, err := io.ReadFull(conn, sent)
			return "back", err
		},
	}, nil
}
