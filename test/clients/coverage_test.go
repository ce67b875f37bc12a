package clients

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// elsewhere are the commands that no test of this folder types, and why.
var elsewhere = map[string]string{
	"bootstrap":  "test/bootstrap does, for a server that is none of the forges that it knows",
	"completion": "it prints a script, and asks the cluster for names alone",
	"help":       "it prints help",
	"plugin":     "it is about programs on the machine of the user",
}

// unserved are words of the commands for kinds that are not served.
var unserved = []string{"alert", "alerts", "alert-provider", "alert-providers", "receiver", "receivers", "image", "images", "generator", "generators"}

// Every command that the flux command line has is typed by some test, or it is known why
// not.
func TestEveryCommand(t *testing.T) {
	needFlux(t)
	typed := typedCommands(t)
	for _, command := range commands(t, nil) {
		is := func(words []string) bool { return same(words, command) }
		excused := slices.ContainsFunc(command, func(word string) bool { return slices.Contains(unserved, word) })
		if !excused && !slices.ContainsFunc(typed, is) {
			t.Errorf("flux %s: no test types it", strings.Join(command, " "))
		}
	}
}

// commands returns those below a command that have none below them.
func commands(t *testing.T, above []string) [][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), cli, append(slices.Clone(above), "--help")...).CombinedOutput()
	if err != nil {
		t.Fatalf("flux %s --help: %v\n%s", strings.Join(above, " "), err, out)
	}
	_, list, found := strings.Cut(string(out), "Available Commands:\n")
	if !found {
		return [][]string{above}
	}
	var all [][]string
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			break
		}
		command := append(slices.Clone(above), name)
		if _, known := elsewhere[strings.Join(command, " ")]; known {
			continue
		}
		all = append(all, commands(t, command)...)
	}
	return all
}

// synonyms are what commands are also called.
var synonyms = map[string]string{"ks": "kustomization", "hr": "helmrelease", "kustomizations": "kustomization", "helmreleases": "helmrelease", "sources": "source"}

// same says whether words are a command, as they stand in a test. One that is not a
// literal there may be any.
func same(words, command []string) bool {
	if len(words) < len(command) {
		return false
	}
	word := func(w string) string {
		if full, known := synonyms[w]; known {
			return full
		}
		return w
	}
	for i, w := range command {
		if words[i] != "" && word(words[i]) != word(w) {
			return false
		}
	}
	return words[0] != ""
}

// typedCommands returns what the tests of this folder type: the arguments of functions,
// and lists of strings, that begin with a literal.
func typedCommands(t *testing.T) [][]string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.CallExpr:
				args := n.Args
				if len(args) > 0 {
					if _, literal := args[0].(*ast.BasicLit); !literal {
						args = args[1:] // the context
					}
				}
				all = append(all, literals(args))
			case *ast.CompositeLit:
				all = append(all, literals(n.Elts))
			}
			return true
		})
	}
	return slices.DeleteFunc(all, func(words []string) bool { return len(words) == 0 || words[0] == "" })
}

// literals returns expressions as words, empty for those that are not literals.
func literals(list []ast.Expr) []string {
	words := make([]string, len(list))
	for i, e := range list {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			words[i], _ = strconv.Unquote(l.Value) // it was parsed
		}
	}
	return words
}
