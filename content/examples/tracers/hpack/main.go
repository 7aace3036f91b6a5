// Hpack shows three responses of one HTTP/2 connection as they are on the wire.
package main

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/net/http2/hpack"
)

func run() error {
	var wire bytes.Buffer
	encoder := hpack.NewEncoder(&wire)
	decoder := hpack.NewDecoder(4096, nil)
	for _, status := range []string{"500", "503", "503"} {
		wire.Reset()
		if err := encoder.WriteField(hpack.HeaderField{Name: ":status", Value: status}); err != nil {
			return err
		}
		block := bytes.Clone(wire.Bytes())
		fields, err := decoder.DecodeFull(block)
		if err != nil {
			return err
		}
		late := "nothing"
		if fields, err := hpack.NewDecoder(4096, nil).DecodeFull(block); err != nil {
			late = err.Error()
		} else {
			late = fields[0].Value
		}
		fmt.Printf("%-12x from the start: %s   only this one: %s\n", block, fields[0].Value, late)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hpack:", err)
		os.Exit(1)
	}
}
