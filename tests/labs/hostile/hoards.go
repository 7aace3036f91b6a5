package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// It stores as much as it is let, in letters that take four bytes each once they are read, then reads it again and
// again in every way there is, while it does what the check asks for.
func main() {
	connect()
	events()
	big := strings.Repeat("x", 900<<10) + "\U0001F600"
	var writers sync.WaitGroup
	text, _ := json.Marshal(record("NAME", object{"x": big}))
	for w := range 8 {
		writers.Go(func() {
			for n := range 40 {
				name := fmt.Sprintf("big-%d-%d", w, n)
				body := json.RawMessage(strings.Replace(string(text), "NAME", name, 1))
				code, text := gate("POST", records, body)
				if code >= 400 {
					fmt.Println("refused", code, string(text[:min(len(text), 300)]))
					return
				}
			}
		})
	}
	go touch()
	for range 64 {
		go func() {
			for {
				if code, text := gate("GET", records, nil); code >= 400 {
					fmt.Println("refused", code, string(text[:min(len(text), 300)]))
					time.Sleep(time.Second)
				}
			}
		}()
	}
	writers.Wait()
	fmt.Println("HOARDED")
	time.Sleep(time.Hour)
}

// events have times that few programs expect, and more bytes than are worth reading.
func events() {
	for n := range 12 {
		name := fmt.Sprintf("odd-%d", n)
		code, text := gate("POST", "/api/v1/namespaces/default/events", object{
			"metadata":       object{"name": name, "namespace": "default"},
			"involvedObject": object{"kind": "Pod", "namespace": "default", "name": "x"},
			"lastTimestamp":  "0000-01-01T00:00:00Z",
			"message":        strings.Repeat("m", 1000),
		})
		if n == 0 {
			fmt.Println("EVENT", code, string(text[:min(len(text), 200)]))
		}
	}
	long := gateURL + records + "?labelSelector=" + strings.Repeat("a", 7000)
	for n := range 20 {
		code, _ := call("GET", long, gateToken, nil)
		if n == 0 {
			fmt.Println("LONG", code)
		}
	}
}
