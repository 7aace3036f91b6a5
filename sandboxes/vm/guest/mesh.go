package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// meshProgram makes the traffic of a service mesh. It is a program of its own, as it is larger than this one, and
// nothing of it is needed where nobody asks for it.
const meshProgram = "/opt/mesh/mesh"

func init() {
	register("mesh_start", startMesh)
	register("mesh_do", haveMeshDo)
	register("mesh_webhook", setWebhook)
	register("mesh_received", giveReceived)
	register("mesh_end", endMesh)
}

// mesh is the one that runs, if one does.
var mesh struct {
	sync.Mutex
	running *meshProcess
}

// meshProcess answers each line with one. One that has been given up is of no more use.
type meshProcess struct {
	pid    int
	orders io.WriteCloser
	done   *bufio.Reader
	end    <-chan ended
	busy   sync.Mutex
	broken error
}

func startMesh(ctx context.Context, _ *Call) (any, error) {
	mesh.Lock()
	defer mesh.Unlock()
	if mesh.running != nil {
		return nil, errors.New("the mesh stands")
	}
	m, err := newMeshProcess()
	if err != nil {
		return nil, err
	}
	facts, err := m.await(ctx)
	if err != nil {
		return nil, errors.Join(err, m.close(ctx))
	}
	mesh.running = m
	return facts, nil
}

func newMeshProcess() (*meshProcess, error) {
	reading, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reading.Close()
	done, writing, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, orders.Close())
	}
	defer writing.Close()
	attributes := &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=/bin"},
		Files: []uintptr{reading.Fd(), writing.Fd(), os.Stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	m := &meshProcess{orders: orders, done: bufio.NewReader(done)}
	m.pid, m.end, err = children.start(func() (int, error) {
		return syscall.ForkExec(meshProgram, []string{"mesh"}, attributes)
	})
	if err != nil {
		return nil, errors.Join(err, orders.Close(), done.Close())
	}
	return m, nil
}

// await reads one answer. When it does not come in time the process is of no more use: the next answer would be the
// one to this order.
func (m *meshProcess) await(ctx context.Context) (json.RawMessage, error) {
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := m.done.ReadBytes('\n')
		read <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		m.broken = errors.New("the mesh did not answer in time")
		return nil, m.broken
	case got := <-read:
		if got.err != nil {
			m.broken = fmt.Errorf("the mesh has ended: %w", got.err)
			return nil, m.broken
		}
		var answer struct {
			OK    json.RawMessage `json:"ok"`
			Error string          `json:"error"`
		}
		if err := json.Unmarshal(got.text, &answer); err != nil {
			m.broken = err
			return nil, err
		}
		if answer.Error != "" {
			return nil, errors.New(answer.Error)
		}
		return answer.OK, nil
	}
}

// meshOrder is one line to the mesh: see sandboxes/vm/mesh.
type meshOrder struct {
	Do      string          `json:"do"`
	Seconds float64         `json:"seconds"`
	Plan    json.RawMessage `json:"plan,omitempty"`
	Answer  string          `json:"answer,omitempty"`
	From    int             `json:"from"`
}

// spare is what a mesh that has come to the end of its time needs to say so.
const spare = 2 * time.Second

func askMesh(ctx context.Context, order meshOrder) (any, error) {
	mesh.Lock()
	m := mesh.running
	mesh.Unlock()
	if m == nil {
		return nil, errors.New("there is no mesh")
	}
	m.busy.Lock()
	defer m.busy.Unlock()
	if m.broken != nil {
		return nil, m.broken
	}
	order.Seconds = 3600
	if deadline, ok := ctx.Deadline(); ok {
		order.Seconds = max(time.Until(deadline)-spare, time.Second).Seconds()
	}
	if err := json.NewEncoder(m.orders).Encode(order); err != nil {
		m.broken = err
		return nil, err
	}
	return m.await(ctx)
}

// haveMeshDo has the plan in the request's body carried out.
func haveMeshDo(ctx context.Context, call *Call) (any, error) {
	plan, err := io.ReadAll(call.Body)
	if err != nil {
		return nil, err
	}
	if !json.Valid(plan) {
		return nil, errors.New("the plan is not JSON")
	}
	return askMesh(ctx, meshOrder{Do: "plan", Plan: plan})
}

func setWebhook(ctx context.Context, call *Call) (any, error) {
	var args struct {
		Answer string `json:"answer"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	return askMesh(ctx, meshOrder{Do: "webhook", Answer: args.Answer})
}

func giveReceived(ctx context.Context, call *Call) (any, error) {
	var args struct {
		From int `json:"from"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	return askMesh(ctx, meshOrder{Do: "received", From: args.From})
}

// endMesh answers when the mesh is gone, with its network and its servers.
func endMesh(ctx context.Context, _ *Call) (any, error) {
	mesh.Lock()
	m := mesh.running
	mesh.running = nil
	mesh.Unlock()
	if m == nil {
		return nil, errors.New("there is no mesh")
	}
	return nil, m.close(ctx)
}

func (m *meshProcess) close(ctx context.Context) error {
	if err := m.orders.Close(); err != nil {
		return err
	}
	select {
	case <-m.end:
		return nil // its number may be another's by now
	default:
	}
	if m.broken != nil {
		_ = syscall.Kill(m.pid, syscall.SIGKILL)
	}
	select {
	case <-m.end:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), syscall.Kill(m.pid, syscall.SIGKILL))
	}
}
