package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// workDir is where the host's files go.
const workDir = "/work"

func init() {
	registerStream("put", put)
	register("get", get)
}

// put writes the body to a file below /work. The name is plain and relative: os.Root refuses what leads out, also
// by a link that the learner's program has laid.
func put(_ context.Context, call *Call) (any, error) {
	var args struct {
		Name string `json:"name"`
		Mode uint32 `json:"mode"`
		Size int64  `json:"size"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	root, err := openWork(args.Name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if folder := filepath.Dir(args.Name); folder != "." {
		if err := root.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
	}
	// a program that runs cannot be overwritten, but it can be replaced
	if err := root.Remove(args.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := root.OpenFile(args.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(args.Mode).Perm())
	if err != nil {
		return nil, err
	}
	written, err := io.Copy(file, io.LimitReader(call.Body, args.Size+1))
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil && written != args.Size {
		err = fmt.Errorf("%d bytes came, %d were announced", written, args.Size)
	}
	return nil, err
}

// get sends a file below /work, up to the limit.
func get(_ context.Context, call *Call) (any, error) {
	var args struct {
		Name  string `json:"name"`
		Limit int64  `json:"limit"`
	}
	if err := call.Bind(&args); err != nil {
		return nil, err
	}
	root, err := openWork(args.Name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// not blocking, or the opening of a pipe without a writer would be the end of it
	file, err := root.OpenFile(args.Name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// a pipe or a device that the learner left there would never end
	if about, err := file.Stat(); err != nil || !about.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", args.Name)
	}
	return nil, sendBody(call, file, args.Limit)
}

func openWork(name string) (*os.Root, error) {
	if !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("%q is not the name of a file below %s", name, workDir)
	}
	return os.OpenRoot(workDir)
}

// sendBody sends all of from as the body of the answer; more than limit is an error.
func sendBody(call *Call, from io.Reader, limit int64) error {
	buffer := make([]byte, 32<<10)
	limited := io.LimitReader(from, limit+1)
	sent := int64(0)
	for {
		n, err := limited.Read(buffer)
		if sent += int64(n); sent > limit {
			return fmt.Errorf("more than %d bytes", limit)
		}
		if n > 0 {
			if err := call.Part(buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
