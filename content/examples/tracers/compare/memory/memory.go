// Package memory tells how much memory this process has had at most.
package memory

import (
	"os"
	"strings"
)

// Peak is VmHWM as /proc has it, such as "8204 kB".
func Peak() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
