package main

// Many goroutines, and garbage: the collector takes part.
var kept []byte

func main() {
	for range 1000 {
		go func() {
			for n := 0; ; n++ {
				kept = make([]byte, n%4096)
			}
		}()
	}
	for {
	}
}
