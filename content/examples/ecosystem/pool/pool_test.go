package pool

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

var line = strings.Repeat("西湖", 200)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// render uses a fresh buffer each time.
func render() int {
	var b bytes.Buffer
	b.WriteString(line)
	return b.Len()
}

// renderPooled borrows one and gives it back empty.
func renderPooled() int {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	defer buffers.Put(b)
	b.WriteString(line)
	return b.Len()
}

func TestPoolSavesTheAllocation(t *testing.T) {
	fresh := testing.AllocsPerRun(1000, func() { render() })
	pooled := testing.AllocsPerRun(1000, func() { renderPooled() })
	t.Logf("allocations each time: %.0f fresh, %.0f pooled", fresh, pooled)
	if fresh < 1 || pooled >= 1 {
		t.Errorf("fresh %.1f, pooled %.1f", fresh, pooled)
	}
}
