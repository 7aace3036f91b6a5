package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxPrograms = 64
	// how long after a program's end what is in its pipe is read
	drainGrace = 5 * time.Second
)

func init() {
	register("start", start)
	register("signal", signalProgram)
	register("usage", programUsage)
	register("await", awaitProgram)
}

// program is a command that the host started. The host chooses its number.
type program struct {
	number  uint64
	pid     int
	group   *group
	started time.Time
	emit    func(header any, payload []byte) error
	limit   int64
	done    chan struct{}
	exit    exitStatus

	// the pump's own until the output is drained
	output  int64
	dropped int64
	tooMuch bool
}

// exitStatus is how a program ended. Signal is 0 unless one ended it; OutputDropped counts bytes past the limit.
type exitStatus struct {
	Code          int     `json:"code"`
	Signal        int     `json:"signal"`
	Seconds       float64 `json:"seconds"`
	StoppedBy     string  `json:"stopped_by"`
	OutputDropped int64   `json:"output_dropped"`
	usage
}

type outputEvent struct {
	Event   string `json:"event"`
	Program uint64 `json:"program"`
}

type exitEvent struct {
	Event   string     `json:"event"`
	Program uint64     `json:"program"`
	Exit    exitStatus `json:"exit"`
}

// programs keeps those that run, and those that have ended until there are too many.
var programs = struct {
	sync.Mutex
	known map[uint64]*program
}{known: map[uint64]*program{}}

type startArgs struct {
	Program   uint64   `json:"program"`
	Argv      []string `json:"argv"`
	Env       []string `json:"env"`
	Cwd       string   `json:"cwd"`
	Memory    int64    `json:"memory_bytes"`
	Processes int64    `json:"processes"`
	// Output is how much is sent; 0 sends all. With Stop the program is killed when it writes more.
	Output int64 `json:"output_bytes"`
	Stop   bool  `json:"stop_at_output"`
}

// start runs a program with the request's body as its standard input. Its output and its end come as events.
func start(_ context.Context, call *Call) (any, error) {
	var args startArgs
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	if len(args.Argv) == 0 {
		return nil, errors.New("argv is empty")
	}
	stdin, err := io.ReadAll(call.Body)
	if err != nil {
		return nil, err
	}
	p := &program{number: args.Program, emit: call.Emit, done: make(chan struct{})}
	if err := p.claim(); err != nil {
		return nil, err
	}
	if err := p.launch(args, stdin); err != nil {
		p.forget()
		return nil, err
	}
	return map[string]int{"pid": p.pid}, nil
}

// claim takes the number, and makes room by forgetting the program that has ended and is the oldest.
func (p *program) claim() error {
	programs.Lock()
	defer programs.Unlock()
	if programs.known[p.number] != nil {
		return fmt.Errorf("program %d is known already", p.number)
	}
	if len(programs.known) >= maxPrograms {
		oldest := oldestEnded()
		if oldest == nil {
			return errors.New("too many programs")
		}
		delete(programs.known, oldest.number)
	}
	programs.known[p.number] = p
	return nil
}

// oldestEnded is the program to forget first, or nil when all run. Held programs.Lock.
func oldestEnded() *program {
	var oldest *program
	for _, other := range programs.known {
		select {
		case <-other.done:
			if oldest == nil || other.started.Before(oldest.started) {
				oldest = other
			}
		default:
		}
	}
	return oldest
}

func (p *program) forget() {
	programs.Lock()
	defer programs.Unlock()
	delete(programs.known, p.number)
}

func (p *program) launch(args startArgs, stdin []byte) error {
	g, err := newGroup(fmt.Sprintf("program-%d", args.Program), args.Memory, args.Processes)
	if err != nil {
		return err
	}
	p.group, p.limit = g, args.Output
	p.started = time.Now()
	output, end, err := p.fork(args, stdin)
	if err != nil {
		g.remove()
		return err
	}
	go p.watch(output, end, args.Stop)
	return nil
}

func (p *program) fork(args startArgs, stdin []byte) (*os.File, <-chan ended, error) {
	fd, err := p.group.open()
	if err != nil {
		return nil, nil, err
	}
	defer unix.Close(fd)
	input, err := inputOf(stdin)
	if err != nil {
		return nil, nil, err
	}
	defer input.Close()
	reading, writing, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer writing.Close()
	path, err := lookUp(args.Argv[0], args.Env)
	if err != nil {
		_ = reading.Close()
		return nil, nil, err
	}
	attributes := &syscall.ProcAttr{
		Dir:   args.Cwd,
		Env:   args.Env,
		Files: []uintptr{input.Fd(), writing.Fd(), writing.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: fd},
	}
	pid, end, err := children.start(func() (int, error) { return syscall.ForkExec(path, args.Argv, attributes) })
	if err != nil {
		_ = reading.Close()
		return nil, nil, fmt.Errorf("%s: %w", args.Argv[0], err)
	}
	p.pid = pid
	return reading, end, nil
}

// inputOf returns what a program reads as its standard input, held in memory so that nobody has to feed it.
func inputOf(stdin []byte) (*os.File, error) {
	if len(stdin) == 0 {
		return os.Open("/dev/null")
	}
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "stdin")
	if _, err := file.Write(stdin); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// lookUp finds a program as execvp does, by the PATH of the program's own environment.
func lookUp(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := "/bin"
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, "PATH="); ok {
			path = value
		}
	}
	for folder := range strings.SplitSeq(path, ":") {
		full := folder + "/" + name
		if unix.Access(full, unix.X_OK) == nil {
			return full, nil
		}
	}
	return "", fmt.Errorf("%s: not found in %s", name, path)
}

// watch sends the output until the program has ended, removes all that it left running, and tells the end.
func (p *program) watch(output *os.File, end <-chan ended, stop bool) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer output.Close()
		p.pump(output, stop)
	}()
	how := <-end
	seconds := time.Since(p.started).Seconds()
	// what it left behind holds the pipe open, and belongs to nobody
	p.group.kill()
	select {
	case <-drained:
	case <-time.After(drainGrace):
		// one that left the group holds the pipe open and writes on
		_ = output.Close()
		<-drained
	}
	used := p.group.usage()
	p.group.remove()
	p.exit = exitStatus{
		Code: how.status.ExitStatus(), Seconds: seconds, OutputDropped: p.dropped, usage: used,
	}
	if how.status.Signaled() {
		p.exit.Signal = int(how.status.Signal())
	}
	switch {
	case p.tooMuch:
		p.exit.StoppedBy = "output"
	case used.OutOfMemory && p.exit.Code != 0:
		p.exit.StoppedBy = "memory"
	}
	close(p.done)
	if err := p.emit(exitEvent{"exit", p.number, p.exit}, nil); err != nil {
		logf("exit of %d: %v", p.number, err)
	}
}

func (p *program) pump(output io.Reader, stop bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := output.Read(buffer)
		if n > 0 {
			p.hand(buffer[:n], stop)
		}
		if err != nil {
			return
		}
	}
}

func (p *program) hand(piece []byte, stop bool) {
	room := int64(len(piece))
	if p.limit > 0 {
		room = min(room, max(0, p.limit-p.output))
	}
	p.output += room
	if room > 0 {
		if err := p.emit(outputEvent{"output", p.number}, piece[:room]); err != nil {
			logf("output of %d: %v", p.number, err)
		}
	}
	p.dropped += int64(len(piece)) - room
	if p.dropped > 0 && stop && !p.tooMuch {
		p.tooMuch = true
		p.group.kill()
	}
}

func find(number uint64) (*program, error) {
	programs.Lock()
	defer programs.Unlock()
	if p := programs.known[number]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no program %d", number)
}

// signalProgram signals the program itself; 9 ends all that it started as well. One that has ended is no error.
func signalProgram(_ context.Context, call *Call) (any, error) {
	var args struct {
		Program uint64 `json:"program"`
		Signal  int    `json:"signal"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	p, err := find(args.Program)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return nil, nil
	default:
	}
	if args.Signal == int(unix.SIGKILL) {
		p.group.kill()
		return nil, nil
	}
	if err := children.signal(p.pid, unix.Signal(args.Signal)); err != nil && err != unix.ESRCH {
		return nil, err
	}
	return nil, nil
}

func programUsage(_ context.Context, call *Call) (any, error) {
	p, err := boundProgram(call)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return p.exit.usage, nil
	default:
		return p.group.usage(), nil
	}
}

// awaitProgram answers when the program has ended, for a host that did not hear its events.
func awaitProgram(ctx context.Context, call *Call) (any, error) {
	p, err := boundProgram(call)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return p.exit, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func boundProgram(call *Call) (*program, error) {
	var args struct {
		Program uint64 `json:"program"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	return find(args.Program)
}
