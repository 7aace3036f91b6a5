package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// versionNames are as a report has them.
var versionNames = map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}

// beginTLS is a session whose handshakes have a connection each, of Go's crypto/tls.
func (m *mesh) beginTLS(p sessionPlan, at serverPlan) *session {
	config := m.keys.clientConfig(at, p.Fate)
	return &session{do: func(ctx context.Context, _ exchangePlan) (string, error) {
		conn, err := p.dial(ctx)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		said, err := handshake(ctx, conn, config, p.patience(), at.Kind == "tls")
		return conn.LocalAddr().String() + " " + said, err
	}}
}

// beginStuck is a client whose ClientHello nobody answers, and that waits for as long as its session stands.
func (m *mesh) beginStuck(ctx context.Context, p sessionPlan, at serverPlan) (*session, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	said := &speaking{Conn: conn, spoke: make(chan struct{})}
	go func() { _ = tls.Client(said, m.keys.clientConfig(at, p.Fate)).Handshake() }()
	return &session{
		end: func() { _ = conn.Close() },
		do: func(ctx context.Context, _ exchangePlan) (string, error) {
			select {
			case <-said.spoke:
				return conn.LocalAddr().String() + " stuck", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		},
	}, nil
}

// speaking tells when the first bytes have been sent.
type speaking struct {
	net.Conn
	once  sync.Once
	spoke chan struct{}
}

func (s *speaking) Write(from []byte) (int, error) {
	n, err := s.Conn.Write(from)
	if err == nil {
		s.once.Do(func() { close(s.spoke) })
	}
	return n, err
}

func (p sessionPlan) patience() time.Duration { return time.Duration(p.PatienceMS) * time.Millisecond }

// handshake also reads: in 1.3 a client is done before the server has said what it thinks of it.
func handshake(
	ctx context.Context, conn net.Conn, config *tls.Config, patience time.Duration, echoes bool,
) (string, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	secure := tls.Client(conn, config)
	err := secure.HandshakeContext(limited)
	if err == nil && echoes {
		deadline, _ := ctx.Deadline()
		_ = secure.SetDeadline(deadline)
		if _, err = secure.Write([]byte("hello")); err == nil {
			_, err = io.ReadFull(secure, make([]byte, 5))
		}
	}
	if err == nil {
		version := versionNames[secure.ConnectionState().Version]
		return "good " + version, secure.Close()
	}
	return fate(err)
}

// fate is how a handshake failed, in the words of a report.
func fate(err error) (string, error) {
	var unknown x509.UnknownAuthorityError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "distrust", nil
	case errors.As(err, &header):
		return "plain", nil
	case errors.Is(err, context.DeadlineExceeded):
		return "silent", nil
	case errors.Is(err, io.EOF):
		return "closing", nil
	}
	if told, ok := strings.CutPrefix(err.Error(), "remote error: "); ok {
		for number := range 256 {
			if tls.AlertError(number).Error() == told {
				return fmt.Sprintf("alert %d", number), nil
			}
		}
	}
	return "", err
}
