package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	for {
		if err := exec.Command("/proc/self/exe").Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(50 * time.Millisecond)
		}
	}
}
