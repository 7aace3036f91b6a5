package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// State is a TCP state as the kernel numbers it, in include/net/tcp_states.h.
type State uint8

const (
	Established State = 1
	SynSent     State = 2
	SynRecv     State = 3
	Closed      State = 7
)

var names = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW_SYN_RECV",
}

func (s State) String() string {
	if int(s) < len(names) && names[s] != "" {
		return names[s]
	}
	return fmt.Sprintf("STATE_%d", uint8(s))
}

// region decode
// decode reads the fields where bpf2go says that the C compiler has put them.
func decode(sample []byte) (Transition, error) {
	var e statesEvent
	if _, err := binary.Decode(sample, binary.NativeEndian, &e); err != nil {
		return Transition{}, fmt.Errorf("a sample of %d bytes: %w", len(sample), err)
	}
	return Transition{
		Sock:   e.Sock,
		Local:  netip.AddrPortFrom(netip.AddrFrom16(e.Local).Unmap(), e.LocalPort),
		Remote: netip.AddrPortFrom(netip.AddrFrom16(e.Remote).Unmap(), e.RemotePort),
		From:   State(e.From),
		To:     State(e.To),
	}, nil
}

// endregion decode
