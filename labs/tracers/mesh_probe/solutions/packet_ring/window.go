package main

import (
	"slices"
	"time"
)

// counts are the events of one kind within a window, by slots of a tenth of a second. Slots without events take no
// room.
type counts struct{ slots []slot }

type slot struct {
	number int64
	events int
}

const slotLength = moment(100 * time.Millisecond)

// add counts an event, which may be older than others that have been counted.
func (c *counts) add(at moment) {
	number := int64(at / slotLength)
	i := len(c.slots)
	for i > 0 && c.slots[i-1].number > number {
		i--
	}
	if i > 0 && c.slots[i-1].number == number {
		c.slots[i-1].events++
		return
	}
	c.slots = slices.Insert(c.slots, i, slot{number, 1})
}

// sum is how many events there are after oldest; what is before is forgotten.
func (c *counts) sum(oldest moment) (sum int) {
	first := 0
	for first < len(c.slots) && c.slots[first].number <= int64(oldest/slotLength) {
		first++
	}
	c.slots = slices.Delete(c.slots, 0, first)
	for _, s := range c.slots {
		sum += s.events
	}
	return sum
}

// distinct is the condition that enough different things happened within a window.
type distinct[K comparable] struct {
	seen  []sighting[K] // each key once, the latest last
	holds bool
}

type sighting[K comparable] struct {
	key K
	at  moment
}

// More need not be remembered than decides whether the condition holds.
const mostSightings = 256

// add says whether the condition begins to hold by this event, and how many different keys there are.
func (d *distinct[K]) add(key K, at, window moment, enough int) (begins bool, keys int) {
	d.expire(at-window, enough)
	if i := slices.IndexFunc(d.seen, func(s sighting[K]) bool { return s.key == key }); i >= 0 {
		at = max(at, d.seen[i].at)
		d.seen = slices.Delete(d.seen, i, i+1)
	}
	i := len(d.seen)
	for i > 0 && d.seen[i-1].at > at {
		i--
	}
	d.seen = slices.Insert(d.seen, i, sighting[K]{key, at})
	d.expire(d.seen[len(d.seen)-1].at-window, enough)
	if len(d.seen) > mostSightings {
		d.seen = slices.Delete(d.seen, 0, 1)
	}
	begins = !d.holds && len(d.seen) >= enough
	d.holds = d.holds || begins
	return begins, len(d.seen)
}

// expire forgets what is not after oldest.
func (d *distinct[K]) expire(oldest moment, enough int) {
	first := 0
	for first < len(d.seen) && d.seen[first].at <= oldest {
		first++
	}
	d.seen = slices.Delete(d.seen, 0, first)
	if len(d.seen) < enough {
		d.holds = false
	}
}

// burst is the condition that one thing happens too often within a second: the times of the last events.
type burst struct {
	times [mostResets + 1]moment
	known int
}

const mostResets = 10 // of one stream within a second

// add says whether there are now more than mostResets within a second.
func (b *burst) add(at moment) bool {
	if b.known == len(b.times) {
		copy(b.times[:], b.times[1:])
		b.known--
	}
	i := b.known
	for i > 0 && b.times[i-1] > at {
		b.times[i] = b.times[i-1]
		i--
	}
	b.times[i] = at
	b.known++
	return b.known == len(b.times) && b.times[b.known-1]-b.times[0] <= moment(time.Second)
}

// lasting is a condition that is met at moments and holds for one window after each.
type lasting struct {
	met bool
	at  moment
}

// meet says whether the condition begins to hold.
func (l *lasting) meet(at, window moment) bool {
	begins := !l.met || at-l.at > window
	l.met, l.at = true, max(l.at, at)
	return begins
}
