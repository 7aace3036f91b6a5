package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const inNamespace = "LASTMILE_TEST_IN_NAMESPACE"

// alone runs the test again in a network namespace of its own, with loopback up and nothing else.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		if err := loopbackUp(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), inNamespace+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if said, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return false
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

func execute(t *testing.T, p plan) map[int]outcome {
	t.Helper()
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	answer, err := runTraffic(ctx, &Call{Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]outcome{}
	for _, o := range answer.(report).Outcomes {
		found[o.ID] = o
	}
	return found
}

func TestEachConnectionEndsAsPlanned(t *testing.T) {
	if !alone(t) {
		return
	}
	p := plan{Parallel: 4}
	for i, serve := range []string{"echo", "close", "reset", "hold"} {
		for _, address := range []string{"127.0.0.2", "::1"} {
			p.Listeners = append(p.Listeners, listenerPlan{Address: address, Port: 20001 + i, Serve: serve, Backlog: 128})
		}
	}
	cases := []struct {
		kind, errno string
		port        int
		open        bool
	}{
		{"client_close", "", 20001, false},
		{"server_close", "", 20002, false},
		{"client_reset", "", 20001, false},
		{"server_reset", "ECONNRESET", 20003, false},
		{"refused", "ECONNREFUSED", 20009, false},
		{"client_unread", "", 20002, false},
		{"half_open", "", 20004, true},
	}
	for i, c := range cases {
		for j, address := range []string{"127.0.0.2", "::1"} {
			p.Connections = append(p.Connections, connectionPlan{ID: 10*i + j, Kind: c.kind, Address: address, Port: c.port, Bytes: 100})
		}
	}
	found := execute(t, p)
	for i, c := range cases {
		for j := range 2 {
			got := found[10*i+j]
			if got.Errno != c.errno || got.Open != c.open {
				t.Errorf("%s: got %+v", c.kind, got)
			}
			if !strings.HasSuffix(got.Remote, fmt.Sprint(":", c.port)) {
				t.Errorf("%s went to %s", c.kind, got.Remote)
			}
		}
	}
	released, err := releaseTraffic(context.Background(), nil)
	if err != nil || released.(map[string]int)["released"] != 4 {
		t.Errorf("released %v, %v: want the two ends of two connections twice", released, err)
	}
}

func TestAQueueThatIsFullLetsNobodyIn(t *testing.T) {
	if !alone(t) {
		return
	}
	p := plan{Parallel: 8, Listeners: []listenerPlan{{Address: "127.0.0.1", Port: 20001, Serve: "full", Backlog: 2}}}
	for i := range 5 {
		p.Connections = append(p.Connections, connectionPlan{ID: i, Kind: "overflow", Address: "127.0.0.1", Port: 20001})
	}
	found := execute(t, p)
	for i := range 5 {
		want := ""
		if i > 2 { // a queue of n holds n + 1
			want = "ETIMEDOUT"
		}
		if found[i].Errno != want {
			t.Errorf("connection %d ended with %q, want %q", i, found[i].Errno, want)
		}
	}
	if _, err := releaseTraffic(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

func TestPlansAreBounded(t *testing.T) {
	many := make([]connectionPlan, maxConnections+1)
	for name, p := range map[string]plan{
		"too many":       {Connections: many, Parallel: 1},
		"at once":        {Parallel: maxParallel + 1},
		"unknown end":    {Parallel: 1, Connections: []connectionPlan{{Kind: "explode", Address: "127.0.0.1"}}},
		"too long":       {Parallel: 1, Connections: []connectionPlan{{Kind: "refused", Address: "::1", Bytes: 1 << 30}}},
		"not an address": {Parallel: 1, Connections: []connectionPlan{{Kind: "refused", Address: "example.com"}}},
	} {
		if p.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSocketsOfUnusualMaking(t *testing.T) {
	if !alone(t) {
		return
	}
	p := plan{
		Parallel: 1,
		Listeners: []listenerPlan{
			{Address: "::", Port: 20001, Serve: "echo", Backlog: 128},
			{Address: "127.0.0.1", Port: 20002, Serve: "echo", Backlog: 128, MPTCP: true},
		},
		Connections: []connectionPlan{
			{ID: 0, Kind: "client_close", Address: "127.0.0.3", Port: 20001, Mapped: true},
			{ID: 1, Kind: "client_close", Address: "127.0.0.3", Port: 20001, Source: 20100},
			{ID: 2, Kind: "client_close", Address: "127.0.0.4", Port: 20001, Source: 20100},
			{ID: 3, Kind: "self_connect", Address: "127.0.0.5", Port: 20200, Source: 20200},
			{ID: 4, Kind: "client_close", Address: "127.0.0.1", Port: 20002, MPTCP: true},
		},
	}
	found := execute(t, p)
	for id, local := range map[int]string{1: "127.0.0.1:20100", 2: "127.0.0.1:20100", 3: "127.0.0.5:20200"} {
		if found[id].Local != local {
			t.Errorf("connection %d: %+v, want it from %s", id, found[id], local)
		}
	}
	for id, got := range found {
		if got.Errno != "" || got.Open {
			t.Errorf("connection %d: %+v", id, got)
		}
	}
}

func TestWhoGivesUpIsStillConnecting(t *testing.T) {
	if !alone(t) {
		return
	}
	full := plan{Parallel: 1, Listeners: []listenerPlan{{Address: "127.0.0.1", Port: 20001, Serve: "full", Backlog: 1}}}
	for id := range 2 {
		full.Connections = append(full.Connections, connectionPlan{ID: id, Kind: "overflow", Address: "127.0.0.1", Port: 20001})
	}
	execute(t, full)
	late := connectionPlan{ID: 7, Kind: "give_up", Address: "127.0.0.1", Port: 20001}
	if got := execute(t, plan{Parallel: 1, Connections: []connectionPlan{late}})[7]; got.Errno != "EINPROGRESS" || got.Open {
		t.Errorf("%+v", got)
	}
	if _, err := releaseTraffic(context.Background(), nil); err != nil {
		t.Error(err)
	}
}
