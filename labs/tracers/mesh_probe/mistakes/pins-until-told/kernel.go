package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

const pinned = "/sys/fs/bpf/watched"

const sendAlert = "crypto/tls.(*Conn).sendAlert"

// kernel is what of the probe runs there. Nothing is pinned: it goes with this process, however that ends.
type kernel struct {
	objects bpfObjects
	links   []link.Link
	samples *ringbuf.Reader
}

func load(c config) (*kernel, error) {
	k := &kernel{}
	if err := loadBpfObjects(&k.objects, nil); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if err := k.attach(c); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (k *kernel) attach(c config) error {
	for _, r := range c.rules {
		key := bpfPrefix{Bits: uint32(r.prefix.Bits()), Address: r.prefix.Addr().As4()}
		value := uint32(0)
		if r.watched {
			value = 1
		}
		if err := k.objects.Watched.Put(key, value); err != nil {
			return fmt.Errorf("%s: %w", r.prefix, err)
		}
	}
	var err error
	if k.samples, err = ringbuf.NewReader(k.objects.Samples); err != nil {
		return err
	}
	_ = os.Remove(pinned) // of a process that was killed
	if err := k.objects.Watched.Pin(pinned); err != nil {
		return err
	}
	received, err := link.AttachTracing(link.TracingOptions{Program: k.objects.Received})
	if err != nil {
		return err
	}
	k.links = append(k.links, received)
	if c.tlsBinary == "" {
		return nil
	}
	executable, err := link.OpenExecutable(c.tlsBinary)
	if err != nil {
		return err
	}
	alert, err := executable.Uprobe(sendAlert, k.objects.OnAlert, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", c.tlsBinary, err)
	}
	k.links = append(k.links, alert)
	return nil
}

// rtt is one sample of the socket at near.
type rtt struct {
	near, far    netip.AddrPort
	microseconds uint32
}

// follow hands over each sample until Close is called.
func (k *kernel) follow(take func(rtt)) error {
	var record ringbuf.Record
	for {
		err := k.samples.ReadInto(&record)
		if errors.Is(err, ringbuf.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		b := record.RawSample
		take(rtt{
			near:         netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[0:4])), binary.BigEndian.Uint16(b[8:])),
			far:          netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[10:])),
			microseconds: binary.NativeEndian.Uint32(b[12:]),
		})
	}
}

// alerts is how often each alert was sent so far.
func (k *kernel) alerts() (counts [256]uint64, err error) {
	for number := range counts {
		if err = k.objects.Alerts.Lookup(uint32(number), &counts[number]); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

func (k *kernel) Close() error {
	errs := []error{os.Remove(pinned)}
	for _, each := range k.links {
		errs = append(errs, each.Close())
	}
	if k.samples != nil {
		errs = append(errs, k.samples.Close())
	}
	return errors.Join(append(errs, k.objects.Close())...)
}
