package main

import (
	"net"
	"sync"
)

const (
	// mostConnections of the learner may be open at once; more wait to be accepted.
	mostConnections = 64
	// mostControllers bounds the control port, which the learner's process can dial too. The grader dials
	// before that process starts, and keeps its connection.
	mostControllers = 32
)

type limited struct {
	net.Listener
	places chan struct{}
}

func limit(l net.Listener, most int) net.Listener {
	return &limited{Listener: l, places: make(chan struct{}, most)}
}

func (l *limited) Accept() (net.Conn, error) {
	l.places <- struct{}{}
	connection, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &held{Conn: connection, release: sync.OnceFunc(func() { <-l.places })}, nil
}

type held struct {
	net.Conn
	release func()
}

func (h *held) Close() error {
	defer h.release()
	return h.Conn.Close()
}
