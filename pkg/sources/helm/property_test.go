package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// theWants are of all sorts.
var theWants = []Want{
	{"a", ""}, {"a", "*"}, {"a", "1.x"}, {"a", "1.0.0"}, {"a", ">=0.0.0-0"}, {"a", "nonsense"},
	{"b", ""}, {"b", "<2"}, {"nginx", "2"}, {"1.5", ""}, {"true", ""}, {"", ""},
}

// agree checks that both ways to read an index have the same answers wherever
// the document is valid and scanned at all. It says whether it was scanned.
func agree(t *testing.T, data []byte) bool {
	t.Helper()
	want, whole := parse(data, theWants)
	got, err := scan(bytes.NewReader(data), theWants)
	switch {
	case whole != nil:
		return false
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) && !json.Valid(data):
		return false // by chance, it is YAML in flow style
	case isLayout(err):
		return false
	case err != nil && len(data) < maxHead && !(errors.Is(err, ErrIndex) && bytes.IndexByte(data, 0) >= 0):
		t.Errorf("scan: %v, though it is valid:\n%s", err, data)
	case err == nil:
		expected, actual := simple(want), simple(got)
		for w, f := range expected {
			if f.Err == "entry" { // the scanner may know at a glance that it loses anyway
				delete(expected, w)
				delete(actual, w)
			}
		}
		if diff := cmp.Diff(expected, actual); diff != "" {
			t.Errorf("(-parsed +scanned):\n%s\n%s", diff, data)
		}
	}
	return err == nil
}

// random makes indexes with all sorts of texts in them.
type random struct{ *rand.Rand }

func (r random) pick(of ...string) string { return of[r.IntN(len(of))] }

// text is what may confuse a scanner.
func (r random) text() string {
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(r.pick("a", "nginx:", " ", "\n", "- ", "'", "\"", "#", " # ", ": ", "[", "]", "{", "}", "|", ">", "&x", "*x", "!",
			"version: 9.9.9", "  ", "\t", "\\", "---\n", "word word word word word word word word word word word", "é", "%", "?", ","))
	}
	if r.IntN(1000) == 0 {
		b.WriteString(r.pick("\u2028", "\u0085"))
	}
	return b.String()
}

// key is a text that rarely has several lines.
func (r random) key() string {
	if r.IntN(50) == 0 {
		return r.text()
	}
	return strings.ReplaceAll(r.text(), "\n", "")
}

func (r random) version() string {
	return fmt.Sprintf("%s%d.%d.%d%s%s", r.pick("", "", "", "v"), r.IntN(4), r.IntN(4), r.IntN(3), r.pick("", "", "", "-rc.1", "-0"), r.pick("", "", "+b1", "+b2"))
}

func (r random) entry(name string) any {
	if r.IntN(20) == 0 {
		return nil
	}
	e := map[string]any{"name": name, "version": r.version(), "urls": []string{r.text()}}
	extras := map[string]any{
		"apiVersion": r.pick("v1", "v2"), "created": fmt.Sprintf("2024-0%d-01T00:00:00Z", 1+r.IntN(9)), "description": r.text(),
		"digest": r.text(), "keywords": []string{r.text(), r.text()}, "annotations": map[string]string{r.key(): r.text(), "version": r.text()},
		"maintainers":  []any{map[string]string{"name": r.text(), "email": r.text()}},
		"dependencies": []any{map[string]any{"name": r.text(), "version": r.version(), "repository": r.text(), "import-values": []any{r.text(), map[string]string{"child": r.text()}}}},
		"icon":         r.text(), "sources": []string{}, "home": r.text(), "appVersion": r.pick("1", "1.0", "true", "0x10", "1e3", "2024-01-01", "~", ""),
	}
	for key, value := range extras {
		if r.IntN(2) == 0 {
			e[key] = value
		}
	}
	if r.IntN(20) == 0 {
		delete(e, r.pick("name", "version", "urls"))
	}
	return e
}

func (r random) index() map[string]any {
	entries := make(map[string][]any)
	for _, name := range []string{"a", "b", "nginx", "1.5", "true", r.key()} {
		entries[name] = nil
		for range r.IntN(5) {
			entries[name] = append(entries[name], r.entry(name))
		}
	}
	index := map[string]any{"apiVersion": "v1", "entries": entries}
	if r.IntN(2) == 0 {
		index["annotations"] = map[string]string{r.key(): r.text()}
		index["generated"] = "2024-01-01T00:00:00Z"
	}
	return index
}

func TestScanAgreesWithParse(t *testing.T) {
	scanned, marshaled := 0, 0
	const rounds = 200
	for seed := range uint64(rounds) {
		r := random{rand.New(rand.NewPCG(seed, 7))}
		index := r.index()
		block, err := yaml.Marshal(index)
		if err != nil {
			continue // it reads its own JSON as YAML, which does not take every text
		}
		compact, err := json.Marshal(index)
		if err != nil {
			t.Fatal(err)
		}
		wide, err := json.MarshalIndent(index, "", r.pick(" ", "\t"))
		if err != nil {
			t.Fatal(err)
		}
		marshaled++
		if agree(t, block) {
			scanned++
		}
		if !agree(t, compact) || !agree(t, wide) {
			t.Errorf("JSON of seed %d was not scanned", seed)
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
	if scanned < marshaled/2 || marshaled < rounds/2 {
		t.Errorf("only %d of %d indexes in YAML were scanned", scanned, marshaled)
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(generated))
	f.Add([]byte("apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, urls: ['x', \"y\"]}]}\n"))
	f.Add([]byte("apiVersion: v1\nentries:\n  a:\n  - name: a\n    urls: [ \"a:b\", c:d, {e: f} ]\n    version: >-\n      1.0.0\n"))
	f.Add([]byte(`{"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1.0.0","urls":["x\"}"]}]}}`))
	f.Add([]byte("---\napiVersion: v1\nentries:\n  ? a\n  : - name: a\n"))
	f.Add([]byte("apiVersion: v1\nentries:\n  'a':\n    - version:\n        1.0.0\n      name: a\n    - version: 1.0.0\n       x\n      name: a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 64<<10 {
			agree(t, data)
		}
	})
}
