package claim

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// Standing is a claim as it stands in the source of a test.
type Standing struct {
	ID   string
	File string // base name
	Line int
	call span // the call of covers that holds the literal, or zero for a literal in a table
}

func (s Standing) String() string { return fmt.Sprintf("%s:%d: %s", s.File, s.Line, s.ID) }

// span is the part of a file, in lines, that a call of covers takes up.
type span struct{ first, last int }

func (s span) holds(line int) bool { return s.first <= line && line <= s.last }

// Tests is what the test files of one directory hold.
type Tests struct {
	Claims []Standing
	Main   bool // TestMain calls claim.Main
	Skips  bool // some test can skip
}

// Scan reads the test files of a directory that take part in this build, those of both packages. Claims are found where they are
// string literals: as arguments of covers or claim.Covers, or in a field of a table that is called covers,
//
//	covers(t, "7644-3.4.2.2-05")
//	{name: "unbalanced", filter: "(", covers: []string{"F-06"}} // and later covers(t, c.covers...)
func Scan(dir string) (Tests, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Tests{}, err
	}
	var tests Tests
	context := buildContext()
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		built, err := context.MatchFile(dir, entry.Name())
		if err != nil {
			return Tests{}, err
		}
		if !built {
			continue
		}
		if err := tests.scanFile(filepath.Join(dir, entry.Name())); err != nil {
			return Tests{}, err
		}
	}
	return tests, nil
}

// buildContext has the tags that this test binary was built with: -race and -tags decide which files take part.
func buildContext() *build.Context {
	context := build.Default
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return &context
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "-race" && s.Value == "true":
			context.BuildTags = append(context.BuildTags, "race")
		case s.Key == "-tags":
			context.BuildTags = append(context.BuildTags, strings.Split(s.Value, ",")...)
		}
	}
	return &context
}

func (t *Tests) scanFile(file string) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	add := func(literal ast.Expr, call span) {
		if id, ok := text(literal); ok {
			line := fset.Position(literal.Pos()).Line
			t.Claims = append(t.Claims, Standing{ID: id, File: filepath.Base(file), Line: line, call: call})
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch name := callee(n); name {
			case "covers", "claim.Covers":
				call := span{fset.Position(n.Pos()).Line, fset.Position(n.End()).Line}
				for _, arg := range n.Args {
					add(arg, call)
				}
			case "claim.Main":
				t.Main = true
			default:
				t.Skips = t.Skips || skips(name, len(n.Args))
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); !ok || key.Name != "covers" {
				break
			}
			add(n.Value, span{})
			if list, ok := n.Value.(*ast.CompositeLit); ok {
				for _, element := range list.Elts {
					add(element, span{})
				}
			}
		}
		return true
	})
	return nil
}

// callee returns the name of the called function or of the method behind one identifier, "covers" or "t.Skip".
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// skips tells t.Skip("no database") from methods of other types that are called Skip.
func skips(name string, args int) bool {
	_, method, _ := strings.Cut(name, ".")
	return method == "SkipNow" || args > 0 && (method == "Skip" || method == "Skipf")
}

// text returns the value of a string literal.
func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}
