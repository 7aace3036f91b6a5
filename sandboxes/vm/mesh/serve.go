package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"golang.org/x/sys/unix"
)

// serve starts a server. It listens when this returns.
func (m *mesh) serve(ctx context.Context, s serverPlan) (server, error) {
	switch s.Kind {
	case "nginx_h2c", "nginx_h2":
		return m.startNginx(ctx, s)
	case "h2c", "h2", "grpc", "tls", "silent", "closing", "plain", "echo", "made":
	default:
		return nil, errors.New("no such kind of server")
	}
	listener, err := m.listen(s)
	if err != nil {
		return nil, err
	}
	if s.Slow {
		listener = slowListener{listener}
	}
	if s.Chunk > 0 {
		listener = choppingListener{listener, s.Chunk}
	}
	switch s.Kind {
	case "h2c", "h2":
		return m.serveHTTP(s, listener), nil
	case "grpc":
		return m.serveGRPC(listener), nil
	}
	handlers := map[string]func(net.Conn){
		"tls":     m.handshakes(s),
		"silent":  swallow,
		"closing": readRecord, // and is closed behind it
		"plain":   answerPlain,
		"echo":    echo,
		"made":    m.made,
	}
	return accept(listener, handlers[s.Kind]), nil
}

// slowListener is one whose connections have the priority of slow packets: a new socket does not get the listener's.
type slowListener struct{ net.Listener }

func (l slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	err = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PRIORITY, slowPriority)
	})
	return conn, err
}

// choppingListener is one whose connections send in small segments: TCP promises nothing about where they begin.
type choppingListener struct {
	net.Listener
	size int
}

func (l choppingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return choppingConn{conn, l.size}, nil
}

type choppingConn struct {
	net.Conn
	size int
}

func (c choppingConn) Write(from []byte) (int, error) {
	written := 0
	for written < len(from) {
		// Go sets TCP_NODELAY on every connection: each write is a segment
		n, err := c.Conn.Write(from[written:min(written+c.size, len(from))])
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

type httpServer struct{ *http.Server }

func (s httpServer) close() { _ = s.Close() }

func (m *mesh) serveHTTP(s serverPlan, listener net.Listener) server {
	var protocols http.Protocols
	protocols.SetHTTP2(s.Kind == "h2")
	protocols.SetUnencryptedHTTP2(s.Kind == "h2c")
	one := &http.Server{
		Handler:   m.orders,
		Protocols: &protocols,
		TLSConfig: m.keys.serverConfig(s),
		ErrorLog:  log.New(io.Discard, "", 0),
		// as large a table as a client asks for
		HTTP2: &http.HTTP2Config{MaxEncoderHeaderTableSize: 1 << 16},
	}
	go func() {
		var err error
		if s.Kind == "h2" {
			err = one.ServeTLS(listener, "", "")
		} else {
			err = one.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			logf("%s: %v", s.place(), err)
		}
	}()
	return httpServer{one}
}

// acceptor gives each connection of a listener to a function.
type acceptor struct {
	listener net.Listener
	mutex    sync.Mutex
	open     map[net.Conn]bool
}

func accept(listener net.Listener, handle func(net.Conn)) server {
	a := &acceptor{listener: listener, open: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			a.note(conn, true)
			go func() {
				defer a.note(conn, false)
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return a
}

func (a *acceptor) note(conn net.Conn, open bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if open {
		a.open[conn] = true
	} else {
		delete(a.open, conn)
	}
}

func (a *acceptor) close() {
	_ = a.listener.Close()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for conn := range a.open {
		_ = conn.Close()
	}
}

// handshakes is a server of crypto/tls that sends back what it gets.
func (m *mesh) handshakes(s serverPlan) func(net.Conn) {
	config := m.keys.serverConfig(s)
	return func(conn net.Conn) {
		secure := tls.Server(conn, config)
		if secure.Handshake() == nil {
			echo(secure)
			_ = secure.Close()
			return
		}
		// the other's last words may be on their way; a close with data unread would be a reset
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		swallow(conn)
	}
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

func swallow(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// readRecord reads all of a client's first record: who closes with data unread sends a reset and no FIN.
func readRecord(conn net.Conn) {
	head := make([]byte, 5) // RFC 8446, section 5.1: type, version, length
	if _, err := io.ReadFull(conn, head); err == nil {
		_, _ = io.CopyN(io.Discard, conn, int64(head[3])<<8|int64(head[4]))
	}
}

func answerPlain(conn net.Conn) {
	readRecord(conn)
	page := "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	_, _ = io.Copy(conn, bytes.NewReader([]byte(page)))
}
