// Command deprecated compiles, passes go vet, and uses an API that has been deprecated since Go 1.19.
package main

import (
	"fmt"
	"io/ioutil"
	"strings"
)

func main() {
	text, err := ioutil.ReadAll(strings.NewReader("hello"))
	fmt.Println(string(text), err)
}
