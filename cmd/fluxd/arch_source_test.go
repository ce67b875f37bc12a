package main

import (
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// blankImports are the imports for effect alone, and why there is no other way.
var blankImports = []struct{ packages, path, why string }{
	{"cmd/fluxd", "golang.org/x/crypto/x509roots/fallback", "an image FROM scratch has no root certificates"},
	{"test/cluster", "time/tzdata", "CronJobs may name a time zone"},
	{"test/cluster", "k8s.io/client-go/plugin/pkg/client/auth", "the ways in which kubectl logs in"},
	{"test/cluster", "k8s.io/component-base/logs/json/register", "the log format of the control plane's commands"},
	{"test/servers", "github.com/distribution/distribution/v3/registry/auth/htpasswd", registryParts},
	{"test/servers", "github.com/distribution/distribution/v3/registry/auth/token", registryParts},
	{"test/servers", "github.com/distribution/distribution/v3/registry/storage/driver/filesystem", registryParts},
	{"test/servers", "github.com/distribution/distribution/v3/registry/storage/driver/inmemory", registryParts},
}

const registryParts = "the registry knows its parts by name alone, once they have registered themselves"

// badNames say nothing of what a package provides.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "base", "manager", "types", "misc", "shared", "lib"}

func TestEveryPackageHasAComment(t *testing.T) {
	for _, p := range load(t, "pkg", "cmd", "test", "hack") {
		var comments []string
		for name, f := range p.files {
			if f.Doc.Text() != "" {
				comments = append(comments, name)
			}
		}
		if len(p.files) > 0 && len(comments) != 1 {
			t.Errorf("%s has %d package comments %v, want one: it says what the package is for and what it promises",
				p.path, len(comments), comments)
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range load(t, "pkg", "cmd", "test", "hack") {
		for name, f := range p.files {
			doc := f.Doc.Text()
			want := "Package " + f.Name.Name + " "
			if f.Name.Name == "main" {
				want = "Command "
			}
			if doc != "" && !strings.HasPrefix(doc, want) {
				t.Errorf("the comment of %s/%s begins with %.40q, want %q: go doc shows the first sentence alone", p.path, name, doc, want)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for _, p := range load(t, "pkg", "cmd", "test", "hack") {
		for _, element := range strings.Split(p.path, "/") {
			if slices.Contains(badNames, element) {
				t.Errorf("%s: %q is a name for everything; a package is named for what it provides", p.path, element)
			}
		}
		for name, f := range p.files {
			base := path.Base(p.path)
			if f.Name.Name != base && f.Name.Name != "main" && !isVersion(base) {
				t.Errorf("%s/%s is package %s: the import path should say what to type", p.path, name, f.Name.Name)
			}
			if strings.ToLower(f.Name.Name) != f.Name.Name || strings.Contains(f.Name.Name, "_") {
				t.Errorf("%s/%s: package %s is not short and lower case", p.path, name, f.Name.Name)
			}
		}
	}
}

func isVersion(element string) bool { return element == "v1" || element == "v2" }

func TestNothingHappensOnImport(t *testing.T) {
	for _, p := range load(t, "pkg", "cmd", "test", "hack") {
		for name, f := range p.files {
			if ast.IsGenerated(f) {
				continue // deep copies register themselves that way
			}
			for _, decl := range f.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: init: what is linked would do something that no call shows, and no test could leave out", p.set.Position(fn.Pos()))
				}
			}
			for _, spec := range f.Imports {
				imported := strings.Trim(spec.Path.Value, `"`)
				if spec.Name != nil && spec.Name.Name == "_" && !mayBeBlank(p.path, imported) {
					t.Errorf("%s/%s imports %s for its effects: say why in this test, or call what does it", p.path, name, imported)
				}
			}
		}
	}
}

func mayBeBlank(from, path string) bool {
	for _, b := range blankImports {
		if match(b.packages, from) && b.path == path {
			return true
		}
	}
	return false
}

// A kind's folder exports one function, Plugin, and no variable or constant.
// The types that it exports are those of Plugin's arguments.
func TestKindsExportPlugin(t *testing.T) {
	for _, p := range kindFolders(t) {
		functions, types, others := exports(p)
		if !slices.Equal(slices.Sorted(maps.Keys(functions)), []string{"Plugin"}) {
			t.Errorf("%s exports the functions %v, want Plugin alone: the engine and a kind meet in one contract",
				p.path, slices.Sorted(maps.Keys(functions)))
			continue
		}
		if len(others) > 0 {
			t.Errorf("%s exports %v: nobody may know more of a kind than how to make it", p.path, others)
		}
		named := make(map[string]bool)
		mentions(functions["Plugin"].Type, types, named)
		for name := range types {
			if !named[name] {
				t.Errorf("%s exports the type %s, which no argument of Plugin has: the arguments are the honest list of what a kind touches",
					p.path, name)
			}
		}
	}
}

// kindFolders returns the folders of kinds.
func kindFolders(t *testing.T) []*folder {
	t.Helper()
	var kinds []*folder
	for _, p := range load(t, "pkg/reconcilers") {
		if floor, _ := floorOf(p.path); floor == 2 && len(p.files) > 0 {
			kinds = append(kinds, p)
		}
	}
	return kinds
}

func exports(p *folder) (functions map[string]*ast.FuncDecl, types map[string]ast.Expr, others []string) {
	functions, types = make(map[string]*ast.FuncDecl), make(map[string]ast.Expr)
	for _, f := range p.files {
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() {
					functions[d.Name.Name] = d
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							types[s.Name.Name] = s.Type
						}
					case *ast.ValueSpec:
						for _, name := range s.Names {
							if name.IsExported() && d.Tok != token.IMPORT {
								others = append(others, name.Name)
							}
						}
					}
				}
			}
		}
	}
	return functions, types, others
}

// mentions adds to named those of types that e names, also through each other.
func mentions(e ast.Node, types map[string]ast.Expr, named map[string]bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if _, elsewhere := n.(*ast.SelectorExpr); elsewhere {
			return false
		}
		id, ok := n.(*ast.Ident)
		if !ok || named[id.Name] {
			return true
		}
		if body, ours := types[id.Name]; ours {
			named[id.Name] = true
			mentions(body, types, named)
		}
		return true
	})
}
