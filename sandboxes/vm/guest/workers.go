package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A worker is a process that makes system calls when the host says so, for tracers that count them. It is this
// program once more, under another name. What it is to do comes through a pipe, so that it stands nowhere where
// others could read it up.
const (
	workerName = "worker"
	maxWorkers = 32
	maxThreads = 16
	maxGetppid = 1 << 20
	maxOthers  = 16
)

func init() {
	if len(os.Args) == 1 && os.Args[0] == workerName {
		os.Exit(work(os.Stdin, os.Stdout))
	}
	register("worker_start", startWorker)
	register("worker_do", haveWorkerDo)
	register("worker_end", endWorker)
}

// job is one order. Threads[0] is how often the first thread calls getppid(2); further threads, made for it, call as
// often as the further numbers say, all at once. Each call is followed by Others calls of getpid(2). Child is how
// often a child, forked for it, calls getppid(2).
type job struct {
	Threads []int `json:"threads"`
	Others  int   `json:"others"`
	Child   int   `json:"child"`
}

func (j *job) check() error {
	total := j.Child
	least := min(j.Child, j.Others)
	for _, calls := range j.Threads {
		total += calls
		least = min(least, calls)
	}
	if least < 0 || total > maxGetppid || j.Others > maxOthers || len(j.Threads) > maxThreads {
		return fmt.Errorf("%d threads, %d calls, %d others after each", len(j.Threads), total, j.Others)
	}
	return nil
}

type worker struct {
	pid    int
	orders io.WriteCloser
	done   *bufio.Reader
	end    <-chan ended
	busy   sync.Mutex
}

var workers = struct {
	sync.Mutex
	known map[int]*worker
}{known: map[int]*worker{}}

// startWorker answers with its pid once it is ready.
func startWorker(context.Context, *Call) (any, error) {
	workers.Lock()
	defer workers.Unlock()
	if len(workers.known) >= maxWorkers {
		return nil, errors.New("too many workers")
	}
	w, err := newWorker()
	if err != nil {
		return nil, err
	}
	workers.known[w.pid] = w
	return map[string]int{"pid": w.pid}, nil
}

func newWorker() (*worker, error) {
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
		Env:   []string{},
		Files: []uintptr{reading.Fd(), writing.Fd(), os.Stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	w := &worker{orders: orders, done: bufio.NewReader(done)}
	w.pid, w.end, err = children.start(func() (int, error) {
		return syscall.ForkExec("/proc/self/exe", []string{workerName}, attributes)
	})
	if err != nil {
		return nil, errors.Join(err, orders.Close(), done.Close())
	}
	if err := w.await(); err != nil {
		return nil, errors.Join(err, orders.Close())
	}
	return w, nil
}

// await reads the line with which a worker ends each job, and its start.
func (w *worker) await() error {
	line, err := w.done.ReadString('\n')
	if err == nil && line != "done\n" {
		err = fmt.Errorf("the worker says %q", line)
	}
	return err
}

func (w *worker) do(j job) error {
	w.busy.Lock()
	defer w.busy.Unlock()
	if err := json.NewEncoder(w.orders).Encode(j); err != nil {
		return err
	}
	return w.await()
}

// haveWorkerDo answers when the job is done.
func haveWorkerDo(_ context.Context, call *Call) (any, error) {
	var args struct {
		PID int `json:"pid"`
		job
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	if err := args.check(); err != nil {
		return nil, err
	}
	workers.Lock()
	w := workers.known[args.PID]
	workers.Unlock()
	if w == nil {
		return nil, fmt.Errorf("no worker %d", args.PID)
	}
	return nil, w.do(args.job)
}

// endWorker answers when it is gone.
func endWorker(ctx context.Context, call *Call) (any, error) {
	var args struct {
		PID int `json:"pid"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	workers.Lock()
	w := workers.known[args.PID]
	delete(workers.known, args.PID)
	workers.Unlock()
	if w == nil {
		return nil, fmt.Errorf("no worker %d", args.PID)
	}
	if err := w.orders.Close(); err != nil {
		return nil, err
	}
	select {
	case <-w.end:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// work is the whole life of a worker: one job a line, until there is no more.
func work(orders io.Reader, done io.Writer) int {
	runtime.LockOSThread() // in an init function: the main goroutine stays on the first thread
	decoder := json.NewDecoder(orders)
	for {
		if _, err := io.WriteString(done, "done\n"); err != nil {
			return 1
		}
		var j job
		if err := decoder.Decode(&j); errors.Is(err, io.EOF) {
			return 0
		} else if err != nil {
			return 1
		}
		if err := j.run(); err != nil {
			logf("worker: %v", err)
			return 1
		}
	}
}

func (j *job) run() error {
	var threads sync.WaitGroup
	for i, calls := range j.Threads {
		if i == 0 {
			continue
		}
		threads.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with it
			makeCalls(calls, j.Others)
		})
	}
	if len(j.Threads) > 0 {
		makeCalls(j.Threads[0], j.Others)
	}
	threads.Wait()
	if j.Child == 0 {
		return nil
	}
	return inChild(j.Child)
}

func makeCalls(calls, others int) {
	for range calls {
		_, _, _ = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
		for range others {
			_, _, _ = unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		}
	}
}

// inChild has a worker of the worker's own make the calls, and waits for its end.
func inChild(calls int) error {
	w, err := newWorker()
	if err != nil {
		return err
	}
	err = w.do(job{Threads: []int{calls}})
	if closed := w.orders.Close(); err == nil {
		err = closed
	}
	var status unix.WaitStatus
	for {
		_, waited := unix.Wait4(w.pid, &status, 0, nil)
		if waited == unix.EINTR {
			continue
		}
		return errors.Join(err, waited)
	}
}
