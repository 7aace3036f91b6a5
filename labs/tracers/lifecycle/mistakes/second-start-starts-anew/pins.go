package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cilium/ebpf/link"
)

// Everything that outlives a command is pinned here. The link is pinned last and unpinned first:
// where it is, all the rest is.
const (
	folder     = "/sys/fs/bpf/lifecycle"
	linkPin    = folder + "/link"
	watchedPin = folder + "/watched"
	countsPin  = folder + "/counts"
)

// started tells whether the link is pinned. A folder of that name is somebody else's.
func started() (bool, error) {
	info, err := os.Lstat(linkPin)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return info.Mode().IsRegular(), nil
}

func start() error {
	on, err := started()
	if err != nil {
		return err
	}
	_ = on
	// a start that was killed may have left pins, but no link
	if err := unpin(); err != nil {
		return err
	}
	objects, attached, err := attach()
	if err != nil {
		return err
	}
	defer objects.Close()
	defer attached.Close()
	if err := pin(objects, attached); err != nil {
		return errors.Join(err, unpin())
	}
	return nil
}

func pin(objects *bpfObjects, attached link.Link) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := objects.Watched.Pin(watchedPin); err != nil {
		return fmt.Errorf("pin map: %w", err)
	}
	if err := objects.Counts.Pin(countsPin); err != nil {
		return fmt.Errorf("pin map: %w", err)
	}
	if err := attached.Pin(linkPin); err != nil {
		return fmt.Errorf("pin link: %w", err)
	}
	return nil
}

func stop() error { return unpin() }

// unpin removes our pins, the link's first, and the folder unless something of others is in it.
func unpin() error {
	for _, path := range []string{linkPin, watchedPin, countsPin} {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	err := os.Remove(filepath.Clean(folder))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return err
}
