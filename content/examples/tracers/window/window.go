// Package window decides, over the last 30 seconds, whether there is something to tell.
package window

import "time"

// Length of the window, and what it takes within it.
const (
	Length         = 30 * time.Second
	Errors         = 5  // responses of 5xx
	StreamsToAlert = 3  // that were reset
	ResetsASecond  = 10 // or RST_STREAM above this, on one stream
)

// region window
// Window counts events by key in slots of one second; older slots are used again.
type Window struct {
	slots [int(Length / time.Second)]slot
}

type slot struct {
	second int64
	counts map[string]int
}

// Add counts one event. Events may come late, by less than Length; what is older is dropped.
func (w *Window) Add(key string, at time.Time) {
	second := at.Unix()
	s := &w.slots[second%int64(len(w.slots))]
	switch {
	case s.second > second:
		return
	case s.second < second:
		*s = slot{second: second, counts: map[string]int{}}
	}
	s.counts[key]++
}

// Sum is the number of events of all keys in the window that ends now.
func (w *Window) Sum(now time.Time) int {
	sum := 0
	w.each(now, func(_ string, count int) { sum += count })
	return sum
}

// Above is how many keys had more than limit events within one slot, a second of the clock.
func (w *Window) Above(limit int, now time.Time) int {
	keys := map[string]struct{}{}
	w.each(now, func(key string, count int) {
		if count > limit {
			keys[key] = struct{}{}
		}
	})
	return len(keys)
}

// endregion window

func (w *Window) each(now time.Time, take func(key string, count int)) {
	oldest := now.Add(-Length).Unix()
	for _, s := range w.slots {
		if s.second > oldest && s.second <= now.Unix() {
			for key, count := range s.counts {
				take(key, count)
			}
		}
	}
}

// Export says whether the 5xx are worth an export.
func Export(errors *Window, now time.Time) bool { return errors.Sum(now) >= Errors }

// Alert says whether so many streams were reset that the webhook is to be called.
func Alert(resets *Window, now time.Time) bool { return resets.Above(0, now) >= StreamsToAlert }

// Flood says whether one stream was reset again and again, which is another call.
func Flood(resets *Window, now time.Time) bool { return resets.Above(ResetsASecond, now) > 0 }
