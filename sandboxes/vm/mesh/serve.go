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
	case "h2c", "h2", "grpc", "tls", "silent", "closing", "plain", "echo":
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
	switch s.Kind {
	case "h2c", "h2":
		return m.serveHTTP(s, listener), nil
	case "grpc":
		return m.serveGRPC(listener), nil
	}
	handlers := map[string]func(net.Conn){
		"tls":     m.handshakes(s),
		"silent":  swallow,
		"closing": closeAtFirst,
		"plain":   answerPlain,
		"echo":    echo,
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

// closeAtFirst reads all that has come before it closes, so that the end is a FIN.
func closeAtFirst(conn net.Conn) { _, _ = conn.Read(make([]byte, 64<<10)) }

func answerPlain(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 64<<10))
	page := "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	_, _ = io.Copy(conn, bytes.NewReader([]byte(page)))
}

// errNotStarted is of a program that is not ready in time.
var errNotStarted = errors.New("it did not start")
