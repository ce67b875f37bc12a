package main

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
)

// pages returns the README and the pages of docs, relative to the root.
func pages(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md"}
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("docs has %d pages: %v", len(found), err)
	}
	for _, name := range found {
		names = append(names, "docs/"+filepath.Base(name))
	}
	return names
}

var (
	codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// links returns what a page links to within this repository.
func links(page string) []string {
	var targets []string
	for _, m := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		if !strings.Contains(m[1], "://") {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// anchors returns the names under which the headings of a page are linked to: in
// lower case, without punctuation, with hyphens for blanks.
func anchors(page string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		name := notInSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(strings.TrimSpace(name), " ", "-"))
	}
	return names
}

func TestLinksOfPages(t *testing.T) {
	count := 0
	for _, page := range pages(t) {
		for _, target := range links(string(read(t, page))) {
			count++
			name, anchor, _ := strings.Cut(target, "#")
			to := page
			if name != "" {
				to = path.Join(path.Dir(page), name)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
			} else if anchor != "" && !slices.Contains(anchors(string(read(t, to))), anchor) {
				t.Errorf("%s links to %s: %s has no such heading, only %q", page, target, to, anchors(string(read(t, to))))
			}
		}
	}
	if count < len(pages(t)) {
		t.Errorf("only %d links were found: are they written in another way?", count)
	}
}

func TestAnchors(t *testing.T) {
	page := "# Two words\n\n```\n# code\n```\n## `--api-addr`, and more\n"
	if got, want := anchors(page), []string{"two-words", "--api-addr-and-more"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// The index leads to every page.
func TestIndexOfPages(t *testing.T) {
	listed := links(string(read(t, "docs/README.md")))
	for _, page := range pages(t)[1:] {
		if name := path.Base(page); name != "README.md" && !slices.Contains(listed, name) {
			t.Errorf("docs/README.md does not list %s: a reader would not find it", name)
		}
	}
}

// codeText is what a page has the reader type: blocks, indented lines and code in a line.
var codeText = regexp.MustCompile("(?ms)^ *```.*?^ *```$|^    .*?$|`[^`\n]+`")

// shellEnd is where a command ends within its line.
var shellEnd = regexp.MustCompile("`|\\||>|;|&&| # |, |\\\\$| \\(")

// typed returns the arguments of a program in what a page has the reader type.
func typed(page, program string) [][]string {
	command := regexp.MustCompile("(?:^|`)\\s*(?:[$] )?(?:[A-Z_]+=\\S+ )*(?:bin/)?" + program + " ([^\\n]*)")
	var all [][]string
	for _, block := range codeText.FindAllString(page, -1) {
		for line := range strings.Lines(block) {
			if m := command.FindStringSubmatch(line); m != nil {
				if end := shellEnd.FindStringIndex(m[1]); end != nil {
					m[1] = m[1][:end[0]]
				}
				all = append(all, strings.Fields(m[1]))
			}
		}
	}
	return all
}

// Every command that a page has the reader type is there, with every flag.
func TestCommandsInPages(t *testing.T) {
	targets := string(read(t, "Makefile"))
	count := 0
	for _, page := range pages(t) {
		for _, args := range typed(string(read(t, page)), "fluxd") {
			count++
			cmd, rest, err := newRoot().Find(args)
			if err != nil || !cmd.HasParent() {
				if len(args) > 0 && args[0] != strings.ToUpper(args[0]) {
					t.Errorf("%s: fluxd %s: no such command", page, strings.Join(args, " "))
				}
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil && !strings.Contains(err.Error(), "needs an argument") {
				t.Errorf("%s: fluxd %s: %v", page, strings.Join(args, " "), err)
			}
		}
		for _, args := range typed(string(read(t, page)), "make") {
			for _, target := range args {
				if regexp.MustCompile(`^[a-z][a-z.-]*$`).MatchString(target) && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`:`).MatchString(targets) {
					t.Errorf("%s: make %s: no such target", page, strings.Join(args, " "))
				}
			}
		}
	}
	if count < 2*len(pages(t)) {
		t.Errorf("only %d commands were found: are they written in another way?", count)
	}
}

// The examples of a kind, together, have every field of its spec, set or in a comment.
func TestExamplesAreComplete(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(root, "docs", "examples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range api.Resources() {
		kind := strings.ToLower(r.Kind.Kind)
		var text strings.Builder
		for _, file := range found {
			if name := filepath.Base(file); name == kind+".yaml" || strings.HasPrefix(name, kind+"-") {
				text.Write(read(t, "docs/examples/"+name))
			}
		}
		for _, field := range specFields(t, "deploy/crds/"+r.Name.Group+"_"+r.Name.Resource+".yaml") {
			if !regexp.MustCompile(`(?m)^  ` + field + `:|#.*\b` + field + `\b`).MatchString(text.String()) {
				t.Errorf("docs/examples has no %s of a %s", field, r.Kind.Kind)
			}
		}
	}
}

// specFields returns the names of the fields of spec, of which there is at least one.
func specFields(t *testing.T, definition string) []string {
	t.Helper()
	type schema struct {
		Properties map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"properties"`
	}
	var d struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					V3 schema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(read(t, definition), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Spec.Versions) == 0 || len(d.Spec.Versions[0].Schema.V3.Properties["spec"].Properties) == 0 {
		t.Fatalf("%s has no fields of spec", definition)
	}
	return slices.Sorted(maps.Keys(d.Spec.Versions[0].Schema.V3.Properties["spec"].Properties))
}
