// Command suites counts the cipher suites and curves of crypto/tls that use a Chinese national algorithm.
package main

import (
	"crypto/tls"
	"fmt"
	"strings"
)

func main() {
	all := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
	national := 0
	for _, suite := range all {
		if strings.Contains(suite.Name, "SM") {
			national++
		}
	}
	fmt.Printf("cipher suites with SM3 or SM4: %d of %d\n", national, len(all))
	for _, id := range []uint16{0x00C6, 0x00C7, 0xE011, 0xE013} { // RFC 8998, then GB/T 38636
		fmt.Printf("0x%04X is known as %s\n", id, tls.CipherSuiteName(id))
	}
}
