package helm

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// values parses YAML.
func values(t testing.TB, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

var errAway = errors.New("the server is away")

// shelf reads from Secrets and ConfigMaps by kind/name/key. It counts.
type shelf struct {
	entries map[string]string
	reads   int
}

func (s *shelf) read(_ context.Context, kind, name string) (map[string][]byte, error) {
	s.reads++
	if name == "away" {
		return nil, errAway
	}
	var out map[string][]byte
	for path, text := range s.entries {
		if key, ok := strings.CutPrefix(path, kind+"/"+name+"/"); ok {
			if out == nil {
				out = make(map[string][]byte)
			}
			out[key] = []byte(text)
		}
	}
	if out == nil {
		return nil, ErrNoObject
	}
	return out, nil
}

func TestCompose(t *testing.T) {
	from := func(refs ...v2.ValuesReference) []v2.ValuesReference { return refs }
	whole := v2.ValuesReference{Kind: "ConfigMap", Name: "a"}
	second := v2.ValuesReference{Kind: "Secret", Name: "b", ValuesKey: "other"}
	at := func(path string) v2.ValuesReference {
		return v2.ValuesReference{Kind: "Secret", Name: "b", ValuesKey: "one", TargetPath: path}
	}
	literal := func(path string) v2.ValuesReference {
		r := at(path)
		r.Literal = true
		return r
	}
	entries := map[string]string{
		"ConfigMap/a/values.yaml": "x: {k: 1, z: [1, 2]}\nonly: a", "Secret/b/other": "x: {k: 2, w: null}", "Secret/b/one": "set",
		"Secret/q/single": "'1'", "Secret/q/double": `"true"`, "Secret/q/mark": "'", "Secret/q/number": "12", "Secret/q/list": "{a,b}", "Secret/q/odd": `a,b=c[0]{}\`,
	}
	quoted := func(key, path string) v2.ValuesReference {
		return v2.ValuesReference{Kind: "Secret", Name: "q", ValuesKey: key, TargetPath: path}
	}
	cases := map[string]struct {
		inline, files string
		refs          []v2.ValuesReference
		want          string
	}{
		"inline alone":                 {`{a: 1}`, ``, nil, `{a: 1}`},
		"nothing":                      {`{}`, ``, nil, `{}`},
		"later references win":         {`{}`, ``, from(whole, second), `{x: {k: 2, w: null, z: [1, 2]}, only: a}`},
		"inline values win":            {`{x: {k: 3}}`, ``, from(whole, second), `{x: {k: 3, w: null, z: [1, 2]}, only: a}`},
		"lists are replaced":           {`{x: {z: []}}`, ``, from(whole), `{x: {k: 1, z: []}, only: a}`},
		"a map takes the place of one": {`{x: 1}`, ``, from(whole), `{x: 1, only: a}`},
		"files are at the bottom":      {`{i: 1}`, `{x: {k: 0, f: 1}, i: 0, f: 2}`, from(whole), `{x: {k: 1, f: 1, z: [1, 2]}, i: 1, f: 2, only: a}`},

		// A path writes into the inline values, unless there is a map in its way
		// that comes from elsewhere as well.
		"a path wins over inline values":             {`{x: {k: inline}}`, ``, from(at("x.k")), `{x: {k: set}}`},
		"a path loses where a reference has the map": {`{x: {k: inline}}`, ``, from(whole, at("x.k")), `{x: {k: inline, z: [1, 2]}, only: a}`},
		"another leaf of that map survives":          {`{x: {k: inline}}`, ``, from(whole, at("x.new")), `{x: {k: inline, new: set, z: [1, 2]}, only: a}`},
		"a path at the top loses":                    {`{k: inline}`, ``, from(at("k")), `{k: inline}`},
		"a path at the top, where there is nothing":  {`{}`, ``, from(at("k")), `{k: set}`},
		"a map that follows loses to the path":       {`{x: {k: inline}}`, ``, from(at("x.k"), whole), `{x: {k: set, z: [1, 2]}, only: a}`},
		"a map only further down":                    {`{x: {k: {d: inline}}}`, ``, from(v2.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "deep"}, at("x.k.d")), `{x: {k: {d: set}, q: 1}}`},
		"a path into a list of inline values":        {`{l: [1, 2]}`, ``, from(at("l[1]")), `{l: [1, set]}`},
		"a path past the end of a list":              {`{x: {l: [1]}}`, ``, from(at("x.l[2]")), `{x: {l: [1, null, set]}}`},
		"a number":                                   {`{}`, ``, from(quoted("number", "num")), `{num: 12}`},
		"quotes make it a text":                      {`{}`, ``, from(quoted("single", "a"), quoted("double", "b")), `{a: "1", b: "true"}`},
		"a mark alone is quoted":                     {`{}`, ``, from(quoted("mark", "a")), `{a: ""}`},
		"a list":                                     {`{}`, ``, from(quoted("list", "a")), `{a: [a, b]}`},
		"dots that are part of a key":                {`{}`, ``, from(at(`a.b\.c`)), `{a: {b.c: set}}`},
		"a literal is what it is":                    {`{}`, ``, from(func() v2.ValuesReference { r := quoted("odd", `a.b\.c`); r.Literal = true; return r }()), `{a: {b.c: "a,b=c[0]{}\\"}}`},
		"a literal number is a text":                 {`{}`, ``, from(func() v2.ValuesReference { r := quoted("number", "num"); r.Literal = true; return r }()), `{num: "12"}`},
		"literal without a path is without meaning":  {`{}`, ``, from(v2.ValuesReference{Kind: "ConfigMap", Name: "a", Literal: true}), `{x: {k: 1, z: [1, 2]}, only: a}`},
		"a literal of an entry that is no notation":  {`{}`, ``, from(literal("one")), `{one: set}`},
	}
	entries["ConfigMap/a/deep"] = "x: {q: 1}"
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := &shelf{entries: entries}
			in := Sources{Namespace: "apps", References: c.refs, Inline: values(t, c.inline), Files: values(t, c.files)}
			got, skipped, err := Compose(t.Context(), in, s.read)
			if err != nil || len(skipped) > 0 {
				t.Fatalf("%v, skipped %v", err, skipped)
			}
			if diff := cmp.Diff(plainJSON(t, values(t, c.want)), plainJSON(t, got)); diff != "" {
				t.Errorf("-want +got: %s", diff)
			}
		})
	}
}

// plainJSON returns values as JSON: an integer is one, whatever its type.
func plainJSON(t *testing.T, v map[string]any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestComposeRefuses(t *testing.T) {
	entries := map[string]string{"ConfigMap/a/values.yaml": "[]", "ConfigMap/b/values.yaml": "a: 1", "Secret/s/k": "v"}
	cases := map[string]struct {
		ref     v2.ValuesReference
		err     string
		is      error
		skipped string
	}{
		"no object":           {v2.ValuesReference{Kind: "Secret", Name: "x"}, "could not resolve Secret chart values reference 'apps/x' with key 'values.yaml': resource not found", ErrNoObject, ""},
		"no key":              {v2.ValuesReference{Kind: "ConfigMap", Name: "b", ValuesKey: "k"}, "could not resolve ConfigMap chart values reference 'apps/b' with key 'k': key not found", ErrNoKey, ""},
		"optional object":     {v2.ValuesReference{Kind: "Secret", Name: "x", Optional: true}, "", nil, "could not resolve optional Secret chart values reference 'apps/x' with key 'values.yaml': resource not found"},
		"optional key":        {v2.ValuesReference{Kind: "ConfigMap", Name: "b", ValuesKey: "k", Optional: true}, "", nil, "could not resolve optional ConfigMap chart values reference 'apps/b' with key 'k': key not found"},
		"no map":              {v2.ValuesReference{Kind: "ConfigMap", Name: "a"}, "could not resolve ConfigMap chart values reference 'apps/a' with key 'values.yaml': error unmarshaling JSON", ErrValues, ""},
		"no map, optional":    {v2.ValuesReference{Kind: "ConfigMap", Name: "a", Optional: true}, "could not resolve optional ConfigMap chart values", ErrValues, ""},
		"the server is away":  {v2.ValuesReference{Kind: "Secret", Name: "away", Optional: true}, "the server is away", errAway, ""},
		"an index of no size": {v2.ValuesReference{Kind: "Secret", Name: "s", ValuesKey: "k", TargetPath: "a[999999999]"}, "could not resolve Secret chart values reference 'apps/s' with key 'k': ", ErrValues, ""},
		"a path of no end":    {v2.ValuesReference{Kind: "Secret", Name: "s", ValuesKey: "k", TargetPath: strings.Repeat("a.", 100) + "b"}, "could not resolve Secret chart values reference 'apps/s' with key 'k': ", ErrValues, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := &shelf{entries: entries}
			_, skipped, err := Compose(t.Context(), Sources{Namespace: "apps", References: []v2.ValuesReference{c.ref, c.ref}}, s.read)
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) || !errors.Is(err, c.is) {
				t.Errorf("got %v", err)
			}
			if c.skipped != "" && (len(skipped) != 2 || skipped[0] != c.skipped) {
				t.Errorf("skipped %q", skipped)
			}
			if s.reads != 1 {
				t.Errorf("%d reads, want each object once", s.reads)
			}
		})
	}
}
