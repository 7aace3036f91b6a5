package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// mutant is one change: bytes [Start, End) of File become Replacement.
//
// ID is made from the file, the kind and the changed line's text, so that it stays the same when
// other lines change.
type mutant struct {
	ID          string `json:"id"`
	File        string `json:"file"`
	Line        int    `json:"line"`
	Kind        string `json:"kind"`
	Start       int    `json:"start"`
	End         int    `json:"end"`
	Replacement string `json:"replacement"`
	Original    string `json:"original"`
}

// finder walks one file and collects its mutants.
type finder struct {
	name    string
	source  []byte
	files   *token.FileSet
	found   []mutant
	times   map[string]int
	texts   map[ast.Node]bool // literals that only people read, or that are part of the syntax
	parents []ast.Node
}

func mutantsOf(name string, source []byte) ([]mutant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	f := &finder{name: name, source: source, files: files, times: map[string]int{}, texts: map[ast.Node]bool{}}
	ast.Inspect(file, f.markTexts)
	ast.Inspect(file, func(node ast.Node) bool {
		if node == nil {
			f.parents = f.parents[:len(f.parents)-1]
			return true
		}
		f.visit(node)
		f.parents = append(f.parents, node)
		return true
	})
	return f.found, nil
}

// markTexts notes import paths, struct tags and the arguments of calls that make messages.
func (f *finder) markTexts(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.ImportSpec:
		f.texts[n.Path] = true
	case *ast.Field:
		if n.Tag != nil {
			f.texts[n.Tag] = true
		}
	case *ast.CallExpr:
		if messages(n) {
			for _, argument := range n.Args {
				ast.Inspect(argument, func(inner ast.Node) bool {
					if literal, ok := inner.(*ast.BasicLit); ok {
						f.texts[literal] = true
					}
					return true
				})
			}
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Message" {
			f.texts[n.Value] = true
		}
	}
	return true
}

// messages tells whether a call's texts are for people: errors, logs, fmt.Errorf.
func messages(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch selector.Sel.Name {
	case "Errorf", "New", "Info", "Error", "Infof", "Warn", "Debug", "Print", "Println", "Printf", "Fatal", "Fatalf",
		"Fprintln", "Fprintf", "Sprintf", "WithName", "Named":
		return true
	}
	return false
}

func (f *finder) visit(node ast.Node) {
	switch n := node.(type) {
	case *ast.IfStmt:
		f.ifStatement(n)
	case *ast.BlockStmt:
		for _, statement := range n.List {
			f.statement(statement)
		}
	case *ast.CaseClause:
		f.clause(n)
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.BasicLit:
		f.literal(n)
	case *ast.Ident:
		f.boolean(n)
	case *ast.CompositeLit:
		f.composite(n)
	case *ast.ReturnStmt:
		f.returns(n)
	}
}

func (f *finder) ifStatement(n *ast.IfStmt) {
	if init, ok := n.Init.(*ast.AssignStmt); ok {
		f.assignment(init)
	}
	condition := f.text(n.Cond)
	f.add("negate", n.Cond.Pos(), n.Cond.End(), "!("+condition+")")
	f.add("never", n.Cond.Pos(), n.Cond.End(), "false && ("+condition+")")
	f.add("always", n.Cond.Pos(), n.Cond.End(), "true || ("+condition+")")
}

// unreached keeps a statement from being carried out; its imports and variables stay in use, so it compiles.
func (f *finder) unreached(kind string, n ast.Stmt) {
	f.addAs(kind, "", n.Pos(), n.End(), "if false { "+f.text(n)+" }")
}

// statement drops what is done for its effect.
func (f *finder) statement(statement ast.Stmt) {
	switch n := statement.(type) {
	case *ast.ExprStmt:
		f.unreached("drop-call", n)
	case *ast.DeferStmt:
		f.unreached("drop-defer", n)
	case *ast.IncDecStmt:
		f.unreached("drop-step", n)
	case *ast.RangeStmt:
		f.add("drop-loop", n.Body.Lbrace, n.Body.Lbrace+1, "{ if true { break }; ")
	case *ast.AssignStmt:
		f.assignment(n)
	}
}

func (f *finder) assignment(n *ast.AssignStmt) {
	if n.Tok == token.ASSIGN && len(n.Lhs) == 1 && len(n.Rhs) == 1 {
		if name, ok := n.Lhs[0].(*ast.Ident); ok && name.Name == "_" {
			return
		}
		f.add("drop-assign", n.Pos(), n.End(), "_ = "+f.text(n.Rhs[0]))
	}
	// if err := f(); err != nil: the call is not made, the error is none
	if len(n.Lhs) == 1 && len(n.Rhs) == 1 && (n.Tok == token.DEFINE || n.Tok == token.ASSIGN) {
		name, ok := n.Lhs[0].(*ast.Ident)
		_, call := n.Rhs[0].(*ast.CallExpr)
		if ok && call && name.Name == "err" && n.Tok == token.DEFINE {
			f.add("drop-fallible", n.Rhs[0].Pos(), n.Rhs[0].End(), "error(nil)")
		}
	}
}

func (f *finder) clause(n *ast.CaseClause) {
	for _, statement := range n.Body {
		f.statement(statement)
	}
	if len(n.Body) > 0 && n.List != nil {
		from, to := n.Body[0].Pos(), n.Body[len(n.Body)-1].End()
		f.addAs("drop-case", "", from, to, "if false { "+string(f.source[f.offset(from):f.offset(to)])+" }")
	}
}

var swaps = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+",
}

func (f *finder) binary(n *ast.BinaryExpr) {
	swap, ok := swaps[n.Op]
	if !ok || n.Op == token.ADD && (isText(n.X) || isText(n.Y)) {
		return
	}
	if n.Op == token.EQL || n.Op == token.NEQ {
		if conditionOf(f.parents) == n {
			return // negate says the same
		}
	}
	f.add("operator", n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), swap)
	if n.Op == token.LAND || n.Op == token.LOR {
		f.add("left-only", n.Pos(), n.End(), f.text(n.X))
		f.add("right-only", n.Pos(), n.End(), f.text(n.Y))
	}
}

func conditionOf(parents []ast.Node) ast.Expr {
	if len(parents) == 0 {
		return nil
	}
	if statement, ok := parents[len(parents)-1].(*ast.IfStmt); ok {
		return statement.Cond
	}
	return nil
}

func (f *finder) literal(n *ast.BasicLit) {
	if f.texts[n] {
		return
	}
	switch n.Kind {
	case token.INT:
		if value, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			f.add("number", n.Pos(), n.End(), strconv.FormatInt(value+1, 10))
		}
	case token.STRING:
		value, err := strconv.Unquote(n.Value)
		if err == nil && strings.TrimSpace(value) != "" {
			f.add("string", n.Pos(), n.End(), strconv.Quote("x"+value))
		}
	}
}

func (f *finder) boolean(n *ast.Ident) {
	switch n.Name {
	case "true":
		f.add("boolean", n.Pos(), n.End(), "false")
	case "false":
		f.add("boolean", n.Pos(), n.End(), "true")
	}
}

// composite drops one element of a literal that has names: a field of an object, an entry of a map.
func (f *finder) composite(n *ast.CompositeLit) {
	for i, element := range n.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Message" {
			continue
		}
		end := element.End()
		if i+1 < len(n.Elts) {
			end = n.Elts[i+1].Pos()
		} else if comma := f.comma(element.End(), n.Rbrace); comma != token.NoPos {
			end = comma + 1
		}
		f.add("drop-element", element.Pos(), end, "")
	}
}

func (f *finder) comma(from, to token.Pos) token.Pos {
	between := string(f.source[f.offset(from):f.offset(to)])
	if i := strings.Index(between, ","); i >= 0 {
		return from + token.Pos(i)
	}
	return token.NoPos
}

// returns forgets the error that a function reports.
func (f *finder) returns(n *ast.ReturnStmt) {
	if len(n.Results) == 0 {
		return
	}
	last := n.Results[len(n.Results)-1]
	if name, ok := last.(*ast.Ident); ok && (name.Name == "err" || strings.HasSuffix(name.Name, "Err")) {
		f.add("swallow-error", last.Pos(), last.End(), "error(nil)")
	}
	if call, ok := last.(*ast.CallExpr); ok && (len(n.Results) > 1 || returnsError(call)) {
		f.add("swallow-error", last.Pos(), last.End(), "error(nil)")
	}
}

func returnsError(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	return ok && len(call.Args) > 0 && selector.Sel.Name != "DeepCopy"
}

func isText(expression ast.Expr) bool {
	literal, ok := expression.(*ast.BasicLit)
	return ok && literal.Kind == token.STRING
}

func (f *finder) offset(pos token.Pos) int { return f.files.Position(pos).Offset }

func (f *finder) text(node ast.Node) string {
	return string(f.source[f.offset(node.Pos()):f.offset(node.End())])
}

func (f *finder) add(kind string, from, to token.Pos, replacement string) {
	f.addAs(kind, replacement, from, to, replacement)
}

// addAs gives the text that tells mutants of the same kind and place apart in the ID.
func (f *finder) addAs(kind, tells string, from, to token.Pos, replacement string) {
	start, end := f.offset(from), f.offset(to)
	line := f.files.Position(from).Line
	text := strings.TrimSpace(strings.Split(string(f.source), "\n")[line-1])
	sum := sha256.Sum256([]byte(text + "\x00" + string(f.source[start:end]) + "\x00" + tells))
	id := fmt.Sprintf("%s:%s:%s", f.name, kind, hex.EncodeToString(sum[:4]))
	f.times[id]++
	if f.times[id] > 1 {
		id += fmt.Sprintf(":%d", f.times[id])
	}
	f.found = append(f.found, mutant{
		ID: id, File: f.name, Line: line, Kind: kind, Start: start, End: end,
		Replacement: replacement, Original: string(f.source[start:end]),
	})
}
