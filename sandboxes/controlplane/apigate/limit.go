package main

import (
	"net"
	"sync"
)

// mostConnections of the learner may be open at once; more wait to be accepted.
const mostConnections = 256

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
