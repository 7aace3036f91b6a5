package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// clients are the ways in which the client's end of a connection goes on once it is established. They tell
// whether it stays open.
var clients = map[string]func(*net.TCPConn, connectionPlan) (bool, error){
	"client_close": closeFirst,
	"server_close": closeSecond,
	"client_reset": resetPeer,
	"server_reset": awaitReset,
	"refused":      unexpected,
	"timeout":      unexpected,
	"half_open":    stayOpen,
	"overflow":     stayQueued,
	// the port is the connection's own: a simultaneous open with itself
	"self_connect":  func(conn *net.TCPConn, _ connectionPlan) (bool, error) { return false, conn.Close() },
	"give_up":       unexpected,
	"client_unread": closeUnread,
}

// servers are the ways in which the other end goes on. A listener that is full has none: it never accepts.
var servers = map[string]func(*net.TCPConn){
	"echo":  echo,
	"close": greetAndClose,
	"reset": greetAndReset,
	"hold":  greetAndHold,
	"full":  nil,
}

// closeFirst sends FIN first, and waits for the other's: then both ends have been through all their states.
func closeFirst(conn *net.TCPConn, c connectionPlan) (bool, error) {
	defer conn.Close()
	if err := exchange(conn, c.Bytes); err != nil {
		return false, err
	}
	if err := conn.CloseWrite(); err != nil {
		return false, err
	}
	return false, awaitEnd(conn)
}

func closeSecond(conn *net.TCPConn, _ connectionPlan) (bool, error) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	return false, awaitEnd(conn)
}

// closeUnread closes with data unread, when the other's FIN has come behind it: RST, from CLOSE_WAIT.
func closeUnread(conn *net.TCPConn, _ connectionPlan) (bool, error) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	raw, err := conn.SyscallConn()
	if err != nil {
		return false, err
	}
	return false, raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(poll, 0)
		return err == nil && n > 0 && poll[0].Revents&unix.POLLRDHUP != 0
	})
}

func resetPeer(conn *net.TCPConn, c connectionPlan) (bool, error) {
	if err := exchange(conn, c.Bytes); err != nil {
		conn.Close()
		return false, err
	}
	// with a linger time of zero, close sends RST and no FIN
	return false, errors.Join(conn.SetLinger(0), conn.Close())
}

func awaitReset(conn *net.TCPConn, _ connectionPlan) (bool, error) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	// the server resets once it has read this, so never before the client is established
	if _, err := conn.Write([]byte{1}); err != nil {
		return false, err
	}
	return false, awaitEnd(conn)
}

// stayOpen waits for the server's word: a listener that closes resets whom it has not accepted.
func stayOpen(conn *net.TCPConn, _ connectionPlan) (bool, error) {
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		conn.Close()
		return false, err
	}
	hold(conn.Close)
	return true, nil
}

// stayQueued is established for the client, while nobody accepts it.
func stayQueued(conn *net.TCPConn, _ connectionPlan) (bool, error) {
	hold(conn.Close)
	return true, nil
}

func unexpected(conn *net.TCPConn, _ connectionPlan) (bool, error) {
	conn.Close()
	return false, errors.New("established")
}

func exchange(conn *net.TCPConn, n int) error {
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	sent := make([]byte, n)
	if _, err := conn.Write(sent); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, sent)
	return err
}

func awaitEnd(conn *net.TCPConn) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}

func echo(conn *net.TCPConn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	_, _ = io.Copy(conn, conn)
}

func greetAndClose(conn *net.TCPConn) {
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	_, _ = conn.Write([]byte("bye"))
	if conn.CloseWrite() == nil {
		_ = awaitEnd(conn)
	}
	conn.Close()
}

func greetAndReset(conn *net.TCPConn) {
	_ = conn.SetDeadline(time.Now().Add(stepTime))
	_, _ = io.ReadFull(conn, make([]byte, 1))
	_ = conn.SetLinger(0)
	conn.Close()
}

func greetAndHold(conn *net.TCPConn) {
	hold(conn.Close)
	_, _ = conn.Write([]byte{1})
}

// serving are the listeners of one plan.
type serving struct {
	listeners []net.Listener
	all       sync.WaitGroup
}

func (p *plan) listen() (*serving, error) {
	s := &serving{}
	for _, l := range p.Listeners {
		if _, known := servers[l.Serve]; !known {
			s.stop()
			return nil, fmt.Errorf("no listener serves %q", l.Serve)
		}
		if err := s.open(l); err != nil {
			s.stop()
			return nil, fmt.Errorf("listen on %s port %d: %w", l.Address, l.Port, err)
		}
	}
	return s, nil
}

func (s *serving) open(l listenerPlan) error {
	listener, err := listenWithBacklog(l)
	if err != nil {
		return err
	}
	serve := servers[l.Serve]
	if serve == nil {
		// its queue has to stay as it is, with the connections in it, until they are released
		hold(listener.Close)
		return nil
	}
	s.listeners = append(s.listeners, listener)
	s.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() { serve(conn.(*net.TCPConn)) })
		}
	})
	return nil
}

// stop waits for the servers' ends too: when the report goes out, nothing of the plan is still to happen.
func (s *serving) stop() {
	for _, listener := range s.listeners {
		_ = listener.Close()
	}
	s.all.Wait()
}

// listenWithBacklog exists because net.Listen takes the system's backlog.
func listenWithBacklog(l listenerPlan) (net.Listener, error) {
	ip := net.ParseIP(l.Address)
	if ip == nil {
		return nil, fmt.Errorf("%q is not an address", l.Address)
	}
	var family, protocol int
	if l.MPTCP {
		protocol = unix.IPPROTO_MPTCP
	}
	var bound unix.Sockaddr
	if four := ip.To4(); four != nil {
		family, bound = unix.AF_INET, &unix.SockaddrInet4{Port: l.Port, Addr: [4]byte(four)}
	} else {
		family, bound = unix.AF_INET6, &unix.SockaddrInet6{Port: l.Port, Addr: [16]byte(ip)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close() // FileListener has a copy
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, bound); err != nil {
		return nil, err
	}
	if err := unix.Listen(fd, max(l.Backlog, 1)); err != nil {
		return nil, err
	}
	return net.FileListener(file)
}
