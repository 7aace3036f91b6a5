package main

import (
	"strings"
	"testing"
)

func TestAWorkerDoesOneJobALine(t *testing.T) {
	var done strings.Builder
	orders := `{"threads": [3, 2], "others": 1}` + "\n" + `{"threads": []}` + "\n"
	if code := work(strings.NewReader(orders), &done); code != 0 {
		t.Fatalf("it ended with %d", code)
	}
	if got, want := done.String(), "done\ndone\ndone\n"; got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
}

func TestAWorkerEndsAtWhatIsNoJob(t *testing.T) {
	var done strings.Builder
	if code := work(strings.NewReader("nonsense\n"), &done); code != 1 {
		t.Errorf("it ended with %d, want 1", code)
	}
}

func TestAJobIsBounded(t *testing.T) {
	for name, j := range map[string]job{
		"too many calls":    {Threads: []int{maxGetppid, 1}},
		"a negative number": {Threads: []int{-1}},
		"too many threads":  {Threads: make([]int, maxThreads+1)},
		"too many others":   {Threads: []int{1}, Others: maxOthers + 1},
		"a child's calls":   {Child: maxGetppid + 1},
	} {
		if j.check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := (&job{Threads: []int{5, 5}, Others: 2, Child: 1}).check(); err != nil {
		t.Errorf("an ordinary job: %v", err)
	}
}
