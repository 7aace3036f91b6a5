// Where prints where the running kernel keeps a field: where STRUCT.FIELD...
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// find looks for the field also in structs and unions without a name. Offset in bits.
func find(members []btf.Member, field string) (btf.Member, btf.Bits, bool) {
	for _, member := range members {
		if member.Name == field {
			return member, member.Offset, true
		}
		if member.Name != "" {
			continue
		}
		var inner []btf.Member
		switch t := btf.UnderlyingType(member.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		if found, offset, ok := find(inner, field); ok {
			return found, member.Offset + offset, true
		}
	}
	return btf.Member{}, 0, false
}

func where(kernel *btf.Spec, name string) error {
	structName, field, _ := strings.Cut(name, ".")
	var s *btf.Struct
	if err := kernel.TypeByName(structName, &s); err != nil {
		return err
	}
	member, offset, ok := find(s.Members, field)
	if !ok {
		return fmt.Errorf("%s has no %s", structName, field)
	}
	if member.BitfieldSize > 0 {
		fmt.Printf("%s: %d bits wide\n", name, member.BitfieldSize)
		return nil
	}
	size, err := btf.Sizeof(member.Type)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes at byte %d\n", name, size, offset.Bytes())
	return nil
}

func main() {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		fmt.Fprintln(os.Stderr, "where:", err)
		os.Exit(1)
	}
	for _, name := range os.Args[1:] {
		if err := where(kernel, name); err != nil {
			fmt.Fprintln(os.Stderr, "where:", err)
			os.Exit(1)
		}
	}
}
