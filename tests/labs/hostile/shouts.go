package main

import (
	"bytes"
	"os"
)

// One line of a gigabyte, after a few that a page must not believe.
func main() {
	os.Stdout.WriteString("\x1b[31mred\x1b[0m \x1b]0;title\x07</script><script>alert(1)</script> \xff\xfe \u202edrow\n")
	line := bytes.Repeat([]byte("x"), 1<<20)
	for range 1024 {
		if _, err := os.Stdout.Write(line); err != nil {
			return
		}
	}
}
