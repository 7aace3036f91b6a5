package main

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// ended is how a process ended.
type ended struct {
	status unix.WaitStatus
	usage  unix.Rusage
}

// reaper waits for every child: the programs, and the orphans that the first process inherits.
type reaper struct {
	lock    sync.Mutex
	waiting map[int]chan<- ended
}

var children = &reaper{waiting: map[int]chan<- ended{}}

// start runs fork under the reaper's lock, so that a child that ends at once is not reaped before it is known.
func (r *reaper) start(fork func() (int, error)) (int, <-chan ended, error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	pid, err := fork()
	if err != nil {
		return 0, nil, err
	}
	end := make(chan ended, 1)
	r.waiting[pid] = end
	return pid, end, nil
}

func (r *reaper) run() {
	news := make(chan os.Signal, 1)
	signal.Notify(news, unix.SIGCHLD)
	for range news {
		r.reap()
	}
}

func (r *reaper) reap() {
	r.lock.Lock()
	defer r.lock.Unlock()
	for {
		var end ended
		pid, err := unix.Wait4(-1, &end.status, unix.WNOHANG, &end.usage)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if told := r.waiting[pid]; told != nil {
			delete(r.waiting, pid)
			told <- end
		}
	}
}

// signal sends to a child that has not been reaped yet, so that a number used anew is never hit.
func (r *reaper) signal(pid int, number unix.Signal) error {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.waiting[pid] == nil {
		return unix.ESRCH
	}
	return unix.Kill(pid, number)
}
