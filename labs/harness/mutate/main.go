// Command mutate lists small wrong changes to the Go files of a folder, one JSON object a line.
//
// It changes nothing: each mutant names a file, a range of bytes and their replacement. Generated
// files (zz_*) and tests are left out. Standard library only.
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mutate FOLDER")
		os.Exit(64)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !wanted(entry.Name()) {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		mutants, err := mutantsOf(filepath.ToSlash(name), source)
		if err != nil {
			return err
		}
		for _, m := range mutants {
			if err := out.Encode(m); err != nil {
				return err
			}
		}
		return nil
	})
}

func wanted(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "zz_")
}
