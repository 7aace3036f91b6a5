package window

import (
	"fmt"
	"testing"
	"time"
)

func TestExport(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	for _, test := range []struct {
		name string
		at   []time.Duration
		want bool
	}{
		{"four are too few", []time.Duration{0, 1, 2, 3}, false},
		{"five within the window", []time.Duration{0, 1, 2, 3, 29}, true},
		{"across its edge", []time.Duration{0, 28, 28, 29, 31}, false},
		{"at one moment", []time.Duration{7, 7, 7, 7, 7}, true},
		{"one that is late", []time.Duration{1, 2, 3, 29, 28}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var errors Window
			now := start
			for _, offset := range test.at {
				at := start.Add(offset * time.Second)
				errors.Add("", at)
				if at.After(now) {
					now = at
				}
			}
			if got := Export(&errors, now); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestAlert(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	for _, test := range []struct {
		streams, resets int
		alert, flood    bool
	}{
		{3, 1, true, false},
		{2, 10, false, false}, // above ten, not ten
		{1, 11, false, true},
	} {
		t.Run(fmt.Sprint(test.streams, test.resets), func(t *testing.T) {
			var resets Window
			for stream := range test.streams {
				for range test.resets {
					resets.Add(fmt.Sprint(stream), at)
				}
			}
			if alert, flood := Alert(&resets, at), Flood(&resets, at); alert != test.alert || flood != test.flood {
				t.Errorf("alert %v, flood %v", alert, flood)
			}
			if Alert(&resets, at.Add(Length)) {
				t.Error("still told when the window has passed")
			}
		})
	}
}
