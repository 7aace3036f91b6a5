package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// The link is the only pin. It holds the program and the program holds its maps, so there is nothing else to pin, and
// a start is either complete or has left nothing: there are no leftovers to clear up.
const (
	folder  = "/sys/fs/bpf/lifecycle"
	linkPin = folder + "/link"
)

// started says whether the link is pinned. Something else of that name, such as a folder, is not ours.
func started() (bool, error) {
	info, err := os.Lstat(linkPin)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return info.Mode().IsRegular(), nil
}

func load() (*table, *bpfObjects, error) {
	objects := &bpfObjects{}
	if err := loadBpfObjects(objects, nil); err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	return &table{processes: objects.Processes, calls: objects.Calls}, objects, nil
}

func attach(objects *bpfObjects) (link.Link, error) {
	attached, err := link.AttachTracing(link.TracingOptions{Program: objects.CountGetppid})
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	return attached, nil
}

func start() error {
	if already, err := started(); err != nil {
		return err
	} else if already {
		return errStarted
	}
	_, objects, err := load()
	if err != nil {
		return err
	}
	defer objects.Close()
	attached, err := attach(objects)
	if err != nil {
		return err
	}
	defer attached.Close() // the descriptor; the pin holds the link

	err = os.Mkdir(folder, 0o700)
	made := err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := attached.Pin(linkPin); err != nil {
		if made {
			err = errors.Join(err, syscall.Rmdir(folder))
		}
		return fmt.Errorf("pin %s: %w", linkPin, err)
	}
	return nil
}

func stop() error {
	if is, err := started(); err != nil || !is {
		return err
	}
	// os.Remove would also take an empty folder
	if err := syscall.Unlink(linkPin); err != nil {
		return &fs.PathError{Op: "unlink", Path: linkPin, Err: err}
	}
	// what others have put into the folder keeps it
	if err := syscall.Rmdir(folder); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		return &fs.PathError{Op: "rmdir", Path: folder, Err: err}
	}
	return nil
}

// withStarted calls do with the table of what was started. It is found from the link on: its program, and the
// program's maps.
func withStarted(do func(*table) error) error {
	if is, err := started(); err != nil {
		return err
	} else if !is {
		return errNotStarted
	}
	t, err := openPinned()
	if err != nil {
		return fmt.Errorf("%s: %w", linkPin, err)
	}
	defer t.Close()
	return do(t)
}

func openPinned() (*table, error) {
	pinned, err := link.LoadPinnedLink(linkPin, nil)
	if err != nil {
		return nil, err
	}
	defer pinned.Close()
	linkInfo, err := pinned.Info()
	if err != nil {
		return nil, err
	}
	program, err := ebpf.NewProgramFromID(linkInfo.Program)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		return nil, err
	}
	ids, _ := info.MapIDs()
	return openTable(ids)
}

// openTable picks its maps by their names.
func openTable(ids []ebpf.MapID) (*table, error) {
	t := &table{}
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		info, err := m.Info()
		if err != nil {
			return nil, errors.Join(err, m.Close(), t.Close())
		}
		switch info.Name {
		case "processes":
			t.processes = m
		case "calls":
			t.calls = m
		default:
			m.Close()
		}
	}
	if t.processes == nil || t.calls == nil {
		return nil, errors.Join(errors.New("this link is not of this program: its maps are missing"), t.Close())
	}
	return t, nil
}
