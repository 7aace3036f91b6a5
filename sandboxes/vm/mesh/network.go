package main

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// nodeDevice is the node's end of the veth pair, podDevice the pods'.
	nodeDevice = "mesh0"
	podDevice  = "eth0"
	// slowPriority is the SO_PRIORITY of sockets whose packets come late.
	slowPriority = 6
	queueLength  = 20_000
)

var (
	bands    = netlink.MakeHandle(1, 0)
	slowBand = netlink.MakeHandle(1, 2)
	delays   = netlink.MakeHandle(2, 0)
)

// network is a veth pair with a network namespace behind it. The namespace has no name: it goes with this process.
type network struct {
	node, pods *netlink.Handle
	inPods     chan func()
	mutex      sync.Mutex
	known      map[string]bool
}

func newNetwork() (*network, error) {
	n := &network{inPods: make(chan func()), known: map[string]bool{}}
	namespace := make(chan error)
	var pods netns.NsHandle
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is the namespace's
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			pods, err = netns.Get()
		}
		namespace <- err
		for work := range n.inPods {
			work()
		}
	}()
	if err := <-namespace; err != nil {
		return nil, fmt.Errorf("a network namespace: %w", err)
	}
	var err error
	if n.node, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	if n.pods, err = netlink.NewHandleAt(pods, unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	return n, errors.Join(n.connect(pods), pods.Close())
}

func (n *network) connect(pods netns.NsHandle) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = nodeDevice
	pair := &netlink.Veth{LinkAttrs: attributes, PeerName: podDevice, PeerNamespace: netlink.NsFd(pods)}
	if err := n.node.LinkAdd(pair); err != nil {
		return fmt.Errorf("veth: %w", err)
	}
	lo, err := n.pods.LinkByName("lo")
	if err != nil {
		return err
	}
	device, err := n.pods.LinkByName(podDevice)
	if err != nil {
		return err
	}
	node, err := n.node.LinkByName(nodeDevice)
	if err != nil {
		return err
	}
	err = errors.Join(n.pods.LinkSetUp(lo), n.pods.LinkSetUp(device), n.node.LinkSetUp(node))
	if err != nil {
		return err
	}
	// whoever is not a pod is on the node
	route := &netlink.Route{LinkIndex: device.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{
		IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32),
	}}
	return errors.Join(n.pods.RouteAdd(route), n.makeBands(device))
}

// makeBands sorts what the pods send: packets of slow sockets go through netem, all others straight on.
func (n *network) makeBands(device netlink.Link) error {
	index := device.Attrs().Index
	prio := netlink.NewPrio(netlink.QdiscAttrs{LinkIndex: index, Handle: bands, Parent: netlink.HANDLE_ROOT})
	prio.Bands = 2
	prio.PriorityMap = [16]uint8{slowPriority: 1}
	if err := n.pods.QdiscAdd(prio); err != nil {
		return fmt.Errorf("sch_prio: %w", err)
	}
	return n.delay(0, 0, 0)
}

// delay sets how late the packets of slow servers are from now on, and how many per cent get lost or overtake others.
func (n *network) delay(ms, loss, reorder int) error {
	device, err := n.pods.LinkByName(podDevice)
	if err != nil {
		return err
	}
	late := netlink.NewNetem(
		netlink.QdiscAttrs{LinkIndex: device.Attrs().Index, Handle: delays, Parent: slowBand},
		netlink.NetemQdiscAttrs{
			Latency: uint32(ms) * 1000, Limit: queueLength, Loss: float32(loss), ReorderProb: float32(reorder),
		},
	)
	if err := n.pods.QdiscReplace(late); err != nil {
		return fmt.Errorf("sch_netem: %w", err)
	}
	return nil
}

// addPod gives the pods an address, and the node a route to it.
func (n *network) addPod(address string) error {
	return n.once("pod "+address, address, func(ip *net.IPNet) error {
		device, err := n.pods.LinkByName(podDevice)
		if err != nil {
			return err
		}
		node, err := n.node.LinkByName(nodeDevice)
		if err != nil {
			return err
		}
		route := &netlink.Route{LinkIndex: node.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: ip}
		return errors.Join(n.pods.AddrAdd(device, &netlink.Addr{IPNet: ip}), n.node.RouteAdd(route))
	})
}

// addClient gives the node an address.
func (n *network) addClient(address string) error {
	return n.once("client "+address, address, func(ip *net.IPNet) error {
		node, err := n.node.LinkByName(nodeDevice)
		if err != nil {
			return err
		}
		return n.node.AddrAdd(node, &netlink.Addr{IPNet: ip})
	})
}

func (n *network) once(key, address string, add func(*net.IPNet) error) error {
	if onLoopback(address) {
		return nil
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.known[key] {
		return nil
	}
	if err := add(&net.IPNet{IP: net.ParseIP(address).To4(), Mask: net.CIDRMask(32, 32)}); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	n.known[key] = true
	return nil
}

// at does something where the address is: in the pods' namespace, or on the node for loopback.
func (n *network) at(address string, do func() error) error {
	if onLoopback(address) {
		return do()
	}
	done := make(chan error)
	n.inPods <- func() { done <- do() }
	return <-done
}

func (n *network) close() {
	close(n.inPods)
	if link, err := n.node.LinkByName(nodeDevice); err == nil {
		_ = n.node.LinkDel(link)
	}
	n.pods.Close()
	n.node.Close()
}
