package main

import (
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

func apply(source string, m mutant) string { return source[:m.Start] + m.Replacement + source[m.End:] }

func TestEachKind(t *testing.T) {
	cases := []struct{ name, body, kind, want string }{
		{"negates a condition", "if a == b { c() }", "negate", "if !(a == b) { c() }"},
		{"skips a branch", "if a { c() }", "never", "if false && (a) { c() }"},
		{"drops a call", "c()", "drop-call", "if false { c() }"},
		{"drops a defer", "defer c()", "drop-defer", "if false { defer c() }"},
		{"leaves a loop at once", "for range a { c() }", "drop-loop", "for range a { if true { break };  c() }"},
		{"drops an assignment", "x.y = c()", "drop-assign", "_ = c()"},
		{"does not make a call that can fail", "if err := c(); err != nil { return }", "drop-fallible", "if err := error(nil); err != nil { return }"},
		{"swaps a comparison", "x := a < b; _ = x", "operator", "x := a <= b; _ = x"},
		{"takes the left of an and", "x := a && b; _ = x", "left-only", "x := a; _ = x"},
		{"takes the right of an or", "x := a || b; _ = x", "right-only", "x := b; _ = x"},
		{"changes a number", "c(3)", "number", "c(4)"},
		{"changes a string", `c("a")`, "string", `c("xa")`},
		{"flips a boolean", "c(true)", "boolean", "c(false)"},
		{"drops a field", "c(T{A: 1, B: 2})", "drop-element", "c(T{B: 2})"},
		{"drops the last field", "c(T{A: 1})", "drop-element", "c(T{})"},
		{"swallows an error", "return a, err", "swallow-error", "return a, error(nil)"},
		{"empties a case", "switch { case a: c() }", "drop-case", "switch { case a: if false { c() } }"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			source := "package p\nfunc f() {\n" + c.body + "\n}\n"
			found, err := mutantsOf("p.go", []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(found, func(m mutant) bool { return m.Kind == c.kind })
			if i < 0 {
				t.Fatalf("no %s in %v", c.kind, found)
			}
			want := "package p\nfunc f() {\n" + c.want + "\n}\n"
			if got := apply(source, found[i]); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTextsForPeopleStay(t *testing.T) {
	source := "package p\nimport \"fmt\"\ntype t struct { A int `json:\"a\"` }\nfunc f() error { return fmt.Errorf(\"no\") }\n"
	found, err := mutantsOf("p.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		if m.Kind == "string" {
			t.Errorf("a mutant changes %s", m.Original)
		}
	}
}

func TestEveryMutantParsesAndIDsAreUnique(t *testing.T) {
	source := "package p\nfunc f() {\n x := T{A: 1, B: \"b\",\n }\n if x.A > 1 && x.B == \"b\" { g(true) }\n g(1); g(1)\n}\n"
	found, err := mutantsOf("p.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range found {
		if seen[m.ID] {
			t.Errorf("%s is there twice", m.ID)
		}
		seen[m.ID] = true
		changed := apply(source, m)
		if changed == source {
			t.Errorf("%s changes nothing", m.ID)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "p.go", changed, 0); err != nil {
			t.Errorf("%s: %v", m.ID, err)
		}
	}
}
