package main

import "slices"

// What lies further ahead of the next byte belongs to an earlier connection of the same ports.
const furthestAhead = 64 << 20

// stream puts what one end sends in order.
type stream struct {
	begun  bool // next is known
	first  uint32
	next   uint32
	held   []piece // came too early; by sequence number
	reach  uint32  // bytes up to here exist, as an acknowledgement or a FIN tells
	told   moment  // when that was seen to be ahead of next
	ended  bool    // there is a FIN or a RST
	finish uint32  // its place
}

type piece struct {
	seq  uint32
	data []byte
	at   moment
}

// before is the order of sequence numbers, which wrap around.
func before(a, b uint32) bool { return int32(a-b) < 0 }

func (s *stream) begin(next uint32) {
	if !s.begun {
		s.begun, s.first, s.next, s.reach = true, next, next, next
	}
}

// add takes a segment and gives deliver what is now in order. It returns by how many bytes more or fewer are held.
func (s *stream) add(p piece, deliver func([]byte, moment)) int {
	if !s.begun || len(p.data) == 0 || !before(s.next, p.seq+uint32(len(p.data))) {
		return 0 // nothing new
	}
	if before(s.next, p.seq) {
		if before(s.next+furthestAhead, p.seq) {
			return 0
		}
		return s.hold(p)
	}
	s.deliver(p, deliver)
	freed := 0
	for len(s.held) > 0 && !before(s.next, s.held[0].seq) {
		p, s.held = s.held[0], s.held[1:]
		freed += len(p.data)
		if before(s.next, p.seq+uint32(len(p.data))) {
			s.deliver(p, deliver)
		}
	}
	if len(s.held) == 0 {
		s.held = nil
	}
	return -freed
}

func (s *stream) deliver(p piece, deliver func([]byte, moment)) {
	data := p.data[s.next-p.seq:]
	s.next += uint32(len(data))
	deliver(data, p.at)
}

func (s *stream) hold(p piece) int {
	i, _ := slices.BinarySearchFunc(s.held, p, func(a, b piece) int { return int(int32(a.seq - b.seq)) })
	end := p.seq + uint32(len(p.data))
	for _, near := range s.held[max(i-1, 0):min(i+1, len(s.held))] {
		if !before(p.seq, near.seq) && !before(near.seq+uint32(len(near.data)), end) {
			return 0 // there already
		}
	}
	p.data = slices.Clone(p.data)
	s.held = slices.Insert(s.held, i, p)
	return len(p.data)
}

// exists notes that bytes up to this one have been sent.
func (s *stream) exists(upTo uint32, at moment) {
	if s.ended && before(s.finish, upTo) {
		upTo = s.finish // a FIN has a number too, but is no byte
	}
	if !s.begun || !before(s.next, upTo) || before(s.next+furthestAhead, upTo) {
		return
	}
	if !before(s.next, s.reach) {
		s.told = at
	}
	if before(s.reach, upTo) {
		s.reach = upTo
	}
}

// missingSince is when it was first seen that the next byte is missing, if it is.
func (s *stream) missingSince() (since moment, missing bool) {
	if s.begun && before(s.next, s.reach) {
		since, missing = s.told, true
	}
	for _, p := range s.held {
		if !missing || p.at < since {
			since, missing = p.at, true
		}
	}
	return since, missing
}

// end notes a FIN or a RST.
func (s *stream) end(seq uint32) {
	if !s.ended {
		s.ended, s.finish = true, seq
	}
}

// over says whether everything up to the end has come.
func (s *stream) over() bool { return s.ended && !(s.begun && before(s.next, s.finish)) }
