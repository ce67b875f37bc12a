package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests of this file and of its two neighbours are the rules of the tree:
// who may import whom, how packages are named and documented, and which lists
// have to agree. Every rule has a reason, which is printed when it is broken.

const (
	module = "github.com/fluxd/fluxd/"
	root   = "../.."
)

// floors says how high a package stands; the first pattern that matches counts.
// Imports go down a floor or more. A child may import its parents.
var floors = []struct {
	packages string
	floor    int
}{
	{"cmd/...", 4},
	{"pkg/bootstrap/forge", 1},
	{"pkg/bootstrap", 3},
	{"pkg/engine", 3},
	{"pkg/explain", 3},
	{"pkg/install", 2},
	{"pkg/preview", 3},
	{"pkg/reconcilers/all", 3},
	{"pkg/reconcilers/reconcilertest", 3},
	{"pkg/reconcilers", 1},
	{"pkg/reconcilers/attempt", 1},
	{"pkg/reconcilers/consumer", 1},
	{"pkg/reconcilers/...", 2},
	{"pkg/sources/...", 1},
	{"pkg/render/...", 1},
	{"pkg/apply/...", 1},
	{"pkg/door", 1},
	{"pkg/events", 1},
	{"pkg/api/...", 0},
	{"pkg/artifacts", 0},
	{"pkg/expr", 0},
	{"pkg/forecast", 0},
	{"pkg/fault", 0},
	{"pkg/identity/...", 0},
	{"pkg/kube", 0},
	{"pkg/transport", 0},
}

// sideways are the imports that stay on a floor, or go up, and why.
var sideways = []struct{ from, to, why string }{
	{"pkg/kube", "pkg/api", "the cache and the writer are typed: they hand out objects of our kinds"},
	{"pkg/api/scheme", "pkg/api/...", "the scheme is the list of all types"},
	{"pkg/sources/...", "pkg/sources/ignore", "which files a source leaves out is the same question for every protocol"},
	{"pkg/reconcilers/consumer", "pkg/apply", "what health is judged by is asked for in specs and used by apply"},
	{"pkg/reconcilers/consumer", "pkg/sources/external", "artifacts of others are opened where they are consumed"},
	{"pkg/render/helm", "pkg/sources/helm", "what a chart is, and what of one can be unpacked safely, is one question"},
	{"pkg/render/helm", "pkg/render/kustomize", "post-renderers are builds"},
	{"pkg/sources/...", "pkg/sources/signature", "signatures are checked the same way whatever was signed"},
	{"pkg/reconcilers/attempt", "pkg/sources/signature", "what spec.verify says of registries is one thing for all that come from there"},
}

// imports are the rules beyond the floors. A pattern ends in /... to mean a
// path and all below it.
var imports = []struct {
	packages  string // who is meant
	besides   string // who of them is not, if anybody
	forbidden []string
	allowed   []string // of the forbidden
	why       string
}{
	{
		packages: "pkg/...", besides: "pkg/reconcilers/all",
		forbidden: []string{module + "pkg/reconcilers/..."},
		allowed:   []string{module + "pkg/reconcilers", module + "pkg/reconcilers/attempt", module + "pkg/reconcilers/consumer"},
		why:       "package all is the one list of kinds: nobody else knows one, and kinds do not know each other",
	},
	{
		packages: "cmd/...", forbidden: []string{module + "pkg/reconcilers/..."},
		allowed: []string{module + "pkg/reconcilers", module + "pkg/reconcilers/all", module + "pkg/reconcilers/attempt"},
		why:     "a kind is added in one line of package all, and nowhere else",
	},
	{
		packages: "pkg/engine",
		forbidden: []string{
			module + "pkg/api/...", module + "pkg/sources/...", module + "pkg/render/...",
			module + "pkg/apply/...", module + "pkg/artifacts",
		},
		allowed: []string{module + "pkg/api", module + "pkg/api/conditions"},
		why:     "the engine knows no kind: what it needs of an object is in api.Object",
	},
	{
		packages: "pkg/fault", forbidden: []string{module + "..."},
		why: "the ways to fail are words, and words need nothing else",
	},
	{
		packages: "pkg/sources/...", forbidden: []string{module + "pkg/fault"},
		why: "sources say what happened; what it means is said by the reconciler",
	},
	{
		packages: "pkg/render/...", forbidden: []string{module + "pkg/fault"},
		why: "render says what happened; what it means is said by the reconciler",
	},
	{
		packages: "pkg/apply/...", forbidden: []string{module + "pkg/fault"},
		why: "apply says what happened; what it means is said by the reconciler",
	},
	{
		packages: "pkg/expr", forbidden: []string{"k8s.io/...", "sigs.k8s.io/...", module + "..."},
		why: "an expression is a question over plain values: who asks says what they are",
	},
	{packages: "pkg/artifacts", forbidden: loggers, why: "libraries return errors and do not log"},
	{packages: "pkg/sources/...", forbidden: loggers, why: "libraries return errors and do not log"},
	{packages: "pkg/render/...", forbidden: loggers, why: "libraries return errors and do not log"},
	{packages: "pkg/apply/...", forbidden: loggers, why: "libraries return errors and do not log"},
	{
		packages:  "pkg/sources/...",
		forbidden: []string{"k8s.io/...", "sigs.k8s.io/...", module + "pkg/kube", module + "pkg/api/..."},
		allowed:   []string{"sigs.k8s.io/yaml/..."},
		why:       "sources speak the protocols of sources and know no cluster, so that their tests need none",
	},
	{
		packages: "pkg/artifacts", forbidden: []string{"k8s.io/...", "sigs.k8s.io/...", module + "..."},
		why: "an artifact is a tree of files, and knows neither where it came from nor what for",
	},
	{
		packages: "pkg/...", forbidden: []string{"go.uber.org/zap/...", "github.com/go-logr/zapr", "log", "log/slog"},
		why: "only the program chooses how logs look; everybody else has the logr.Logger of the context",
	},
	{
		packages: "pkg/...", besides: "pkg/sources/git/gittest", forbidden: []string{"os/exec"},
		why: "the image has no other program in it",
	},
	{
		packages: "pkg/...",
		forbidden: []string{
			"k8s.io/client-go/kubernetes/...", "k8s.io/client-go/informers/...",
			"k8s.io/client-go/discovery/...", "sigs.k8s.io/controller-runtime/...",
		},
		why: "the types of every API group are tens of MiB of binary, and fluxd needs none of them",
	},
	{
		packages: "pkg/reconcilers/...", forbidden: []string{"k8s.io/client-go/..."},
		why: "a kind has what it touches handed in, behind interfaces of its own",
	},
	{packages: "pkg/api/...", forbidden: helm, why: onlyHelm},
	{packages: "pkg/reconcilers/...", forbidden: helm, why: onlyHelm},
	{packages: "pkg/render/...", besides: "pkg/render/helm/...", forbidden: helm, why: onlyHelm},
	{packages: "pkg/apply/...", besides: "pkg/apply/release/...", forbidden: helm, why: onlyHelm},
	{packages: "pkg/sources/...", besides: "pkg/sources/helm/...", forbidden: helm, why: onlyHelm},
}

var (
	loggers = []string{"github.com/go-logr/...", "k8s.io/klog/...", "go.uber.org/zap/...", "log", "log/slog"}
	helm    = []string{"helm.sh/helm/..."}
)

const onlyHelm = "the next version of Helm should touch three rooms: sources/helm, render/helm and apply/release"

// deciders are the files of the planning half of apply: from values to values.
var deciders = []string{
	"change.go", "decide.go", "digest.go", "entry.go", "fields.go", "ignore.go", "inventory.go", "judge.go",
	"marks.go", "normalize.go", "order.go", "pointer.go", "record.go", "undeclared.go",
}

func TestFloors(t *testing.T) {
	for _, p := range load(t, "pkg", "cmd") {
		own, ok := floorOf(p.path)
		if !ok {
			t.Errorf("%s stands on no floor: give it one in this test, or find out which package it is part of", p.path)
			continue
		}
		for to, file := range p.imports(module + "...") {
			to = strings.TrimPrefix(to, module)
			floor, known := floorOf(to)
			isParent := strings.HasPrefix(p.path, to+"/")
			if known && floor >= own && !isParent && !mayStay(p.path, to) {
				t.Errorf("%s/%s (floor %d) imports %s (floor %d): imports go down a floor or more, so that each part "+
					"can be read without those above it", p.path, file, own, to, floor)
			}
		}
	}
}

func TestImports(t *testing.T) {
	all := load(t, "pkg", "cmd")
	for _, rule := range imports {
		for _, p := range all {
			if !match(rule.packages, p.path) || rule.besides != "" && match(rule.besides, p.path) {
				continue
			}
			for _, forbidden := range rule.forbidden {
				for path, file := range p.imports(forbidden) {
					if !slices.ContainsFunc(rule.allowed, func(a string) bool { return match(a, path) }) {
						t.Errorf("%s/%s imports %s: %s", p.path, file, path, rule.why)
					}
				}
			}
		}
	}
}

// Nobody can make a request without a context.
func TestPlanningTouchesNoClient(t *testing.T) {
	for _, p := range load(t, "pkg/apply") {
		if p.path != "pkg/apply" {
			continue
		}
		for _, name := range deciders {
			f, ok := p.files[name]
			if !ok {
				t.Errorf("pkg/apply/%s is gone: mend the list", name)
				continue
			}
			for _, path := range importsOf(f) {
				if path == "context" || match("k8s.io/client-go/...", path) || match("net/...", path) {
					t.Errorf("pkg/apply/%s imports %s: a plan is decided from values alone, so that its tests are tables", name, path)
				}
			}
		}
	}
}

func floorOf(path string) (int, bool) {
	for _, f := range floors {
		if match(f.packages, path) {
			return f.floor, true
		}
	}
	return 0, false
}

func mayStay(from, to string) bool {
	for _, s := range sideways {
		if match(s.from, from) && match(s.to, to) {
			return true
		}
	}
	return false
}

// match says whether path is what pattern names.
func match(pattern, path string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	return path == pattern
}

// folder is a Go package as it lies in the tree, for every platform.
type folder struct {
	path  string // from the root, with slashes
	files map[string]*ast.File
	tests map[string]*ast.File
	set   *token.FileSet
}

// imports returns what the files of p, without its tests, import of what pattern
// names, and one file for each.
func (p *folder) imports(pattern string) map[string]string {
	found := make(map[string]string)
	for name, f := range p.files {
		for _, path := range importsOf(f) {
			if match(pattern, path) || pattern == module+"..." && strings.HasPrefix(path, module) {
				found[path] = name
			}
		}
	}
	return found
}

func importsOf(f *ast.File) []string {
	var paths []string
	for _, spec := range f.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// load parses the Go files below the given folders of the repository.
func load(t *testing.T, trees ...string) []*folder {
	t.Helper()
	byPath := make(map[string]*folder)
	for _, tree := range trees {
		err := filepath.WalkDir(filepath.Join(root, tree), func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" {
				return err
			}
			rel, _ := filepath.Rel(root, filepath.Dir(path))
			p := byPath[rel]
			if p == nil {
				p = &folder{
					path: filepath.ToSlash(rel), set: token.NewFileSet(),
					files: make(map[string]*ast.File), tests: make(map[string]*ast.File),
				}
				byPath[rel] = p
			}
			f, err := parser.ParseFile(p.set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if strings.HasSuffix(path, "_test.go") {
				p.tests[d.Name()] = f
			} else {
				p.files[d.Name()] = f
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var all []*folder
	for _, p := range byPath {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *folder) int { return strings.Compare(a.path, b.path) })
	if len(all) == 0 {
		t.Fatalf("no packages below %v", trees)
	}
	return all
}
