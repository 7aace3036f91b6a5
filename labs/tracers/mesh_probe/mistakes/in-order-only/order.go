package main

import "time"

// mostHeld bounds what waits behind a gap, in segments.
const mostHeld = 512

// order puts the bytes of one direction in order. A gap may be filled by a retransmission; who asks waits
// for it as long as he likes.
type order struct {
	next  uint32 // the number of the byte to come
	begun bool
	held  []held
	since time.Time // of the gap, zero when there is none
}

type held struct {
	seq  uint32
	data []byte
}

// begin says which number the first byte has: the one after the SYN.
func (o *order) begin(seq uint32) {
	if !o.begun {
		o.next, o.begun = seq, true
	}
}

// add takes a segment and hands over what follows in order. false: too much waits behind a gap.
func (o *order) add(p *packet, take func([]byte)) bool {
	if !o.deliver(p.seq, p.data, take) {
		return true // the retransmission will bring it
	}
	for again := true; again; {
		again = false
		for i, h := range o.held {
			if o.deliver(h.seq, h.data, take) {
				o.held = append(o.held[:i], o.held[i+1:]...)
				again = true
				break
			}
		}
	}
	if len(o.held) == 0 {
		o.since = time.Time{}
	}
	return true
}

// deliver hands over what of the segment is new; false when bytes before it are missing.
func (o *order) deliver(seq uint32, data []byte, take func([]byte)) bool {
	ahead := int32(seq - o.next) // sequence numbers wrap around
	if ahead > 0 {
		return false
	}
	if seen := int(-ahead); seen < len(data) {
		o.next += uint32(len(data) - seen)
		take(data[seen:])
	}
	return true
}
