// Command maxprocs prints what the Go runtime made of the machine and of the cgroup.
package main

import (
	"fmt"
	"runtime"
)

func main() {
	fmt.Printf("NumCPU %d, GOMAXPROCS %d\n", runtime.NumCPU(), runtime.GOMAXPROCS(0))
}
