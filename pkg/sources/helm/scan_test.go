package helm

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// found is an answer in a form that compares well.
type found struct{ Version, URL, Digest, Err string }

func simple(answers map[Want]answer) map[string]found {
	out := make(map[string]found)
	for w, a := range answers {
		f := found{Version: a.release.Version, URL: a.release.URL, Digest: a.release.Digest}
		switch {
		case errors.Is(a.err, ErrNoChart):
			f.Err = "no chart"
		case errors.Is(a.err, ErrEntry):
			f.Err = "entry"
		case a.err != nil:
			f.Err = a.err.Error()
		}
		out[w.Name+" "+w.Version] = f
	}
	return out
}

const generated = `apiVersion: v1
entries:
  alpine:
  - apiVersion: v2
    created: "2024-01-02T03:04:05Z"
    description: A chart with a long text that the
      emitter folds, like this
    digest: aaa
    name: alpine
    urls:
    - https://charts.example.com/alpine-0.2.0.tgz
    - https://mirror.example.com/alpine-0.2.0.tgz
    version: 0.2.0
  - apiVersion: v2
    created: "2024-01-01T03:04:05Z"
    description: |
      alpine:
        - version: 9.9.9

      nginx:
    digest: bbb
    name: alpine
    urls:
    - alpine-0.1.0.tgz
    version: 0.1.0
  nginx:
  - annotations:
      version: 7.7.7
      note: "a text
        nginx:
          - version: 8.8.8
        in quotes"
    apiVersion: v2
    appVersion: "1.0"
    dependencies:
    - name: common
      repository: https://charts.example.com
      version: 1.x.x
    keywords: [web, 'it''s', "a]b"]
    maintainers:
    - email: a@example.com
      name: A
    name: nginx
    urls:
    - nginx-2.0.0.tgz
    version: "2.0.0"
  - apiVersion: v2
    name: nginx
    urls:
    - nginx-2.1.0-rc.1.tgz
    version: 2.1.0-rc.1
generated: "2024-01-02T03:04:05Z"
`

func TestScan(t *testing.T) {
	for name, tc := range map[string]struct {
		index string
		wants []Want
		want  map[string]found
	}{
		"the latest stable": {
			index: generated,
			wants: []Want{{"alpine", "*"}, {"nginx", ""}, {"gone", ""}},
			want: map[string]found{
				"alpine *": {Version: "0.2.0", URL: "https://charts.example.com/alpine-0.2.0.tgz", Digest: "aaa"},
				"nginx ":   {Version: "2.0.0", URL: "nginx-2.0.0.tgz"},
				"gone ":    {Err: "no chart"},
			},
		},
		"ranges and exact versions": {
			index: generated,
			wants: []Want{{"alpine", "0.1.x"}, {"alpine", "0.2.0"}, {"alpine", ">9"}, {"nginx", ">=2.0.0-0"}, {"nginx", "9.9.9"}, {"nginx", "7.7.7"}},
			want: map[string]found{
				"alpine 0.1.x":    {Version: "0.1.0", URL: "alpine-0.1.0.tgz", Digest: "bbb"},
				"alpine 0.2.0":    {Version: "0.2.0", URL: "https://charts.example.com/alpine-0.2.0.tgz", Digest: "aaa"},
				"alpine >9":       {Err: "no chart"},
				"nginx >=2.0.0-0": {Version: "2.1.0-rc.1", URL: "nginx-2.1.0-rc.1.tgz"},
				"nginx 9.9.9":     {Err: "no chart"},
				"nginx 7.7.7":     {Err: "no chart"},
			},
		},
		"a version that is none": {
			index: generated,
			wants: []Want{{"alpine", "latest"}, {"alpine", ">> 1"}},
			want:  map[string]found{"alpine latest": {Err: "no chart"}, "alpine >> 1": {Err: "no chart"}},
		},
		"an exact version that is no semantic one": {
			index: "apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: v1\n    urls: [x]\n",
			wants: []Want{{"a", "v1"}},
			want:  map[string]found{"a v1": {Version: "v1", URL: "x"}},
		},
		"null and nameless entries are left out": {
			index: "apiVersion: v1\nentries:\n  a:\n  -\n  - null\n  - ~\n  - version: 3.0.0\n  - name: a\n  - name: ../a\n    version: 4.0.0\n" +
				"  - name: a\n    version: 5.0.0\n    type: other\n  - name: a\n    version: 1.0.0\n    urls: [x]\n  b:\n  c: []\n  d: null\n",
			wants: []Want{{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}},
			want: map[string]found{
				"a ": {Version: "1.0.0", URL: "x"}, "b ": {Err: "no chart"}, "c ": {Err: "no chart"}, "d ": {Err: "no chart"},
			},
		},
		"an entry of the wrong type": {
			index: "apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    urls: x\n  b:\n  - name: [b]\n    version: 1.0.0\n  c:\n  - text\n",
			wants: []Want{{"a", ""}, {"b", ""}, {"c", ""}},
			want:  map[string]found{"a ": {Err: "entry"}, "b ": {Err: "entry"}, "c ": {Err: "entry"}},
		},
		"an unknown key, also in what is not looked at": {
			index: "apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    shiny: 1\n  b:\n  - name: b\n    version: 1.0.0\n    urls: [x]\n",
			wants: []Want{{"a", ""}, {"b", ""}},
			want:  map[string]found{"a ": {Err: "entry"}, "b ": {Version: "1.0.0", URL: "x"}},
		},
		"equal versions: the newest": {
			index: `apiVersion: v1
entries:
  a:
  - {name: a, version: 1.0.0+1, created: "2024-01-01T00:00:00Z", urls: [one]}
  - {name: a, version: 1.0.0+2, created: "2024-03-01T00:00:00Z", urls: [two]}
  - {name: a, version: 1.0.0+3, created: "2024-02-01T00:00:00Z", urls: [three]}
  - {name: a, version: 0.1.0, created: "2024-01-01T00:00:00Z", urls: [four]}
  - {name: a, version: 0.1.0, created: "2024-02-01T00:00:00Z", urls: [five]}
`,
			wants: []Want{{"a", "1.x"}, {"a", "1.0.0+1"}, {"a", "0.1.0"}},
			want: map[string]found{
				"a 1.x":     {Version: "1.0.0+2", URL: "two"},
				"a 1.0.0+1": {Version: "1.0.0+1", URL: "one"},
				"a 0.1.0":   {Version: "0.1.0", URL: "five"},
			},
		},
		"indented lists, quoted names, comments and a document marker": {
			index: "---\n# by hand\napiVersion: v1\n\nentries: # all of them\n    # the first\n    \"a\":\n      - name: a # text\n        version: '1.0.0' # the only one\n\n        urls:\n          - x\n" +
				"    'b':\n    -   version: \"1.0.0\"\n        urls:\n        - z\n        name: b\n    1.5:\n    - name: \"1.5\"\n      version: 1.0.0\n    on:\n    - name: \"true\"\n      version: 1.0.0\ngenerated: 2024-01-01T00:00:00Z\n",
			wants: []Want{{"a", ""}, {"b", ""}, {"1.5", ""}, {"true", ""}},
			want: map[string]found{
				"a ": {Version: "1.0.0", URL: "x"}, "b ": {Version: "1.0.0", URL: "z"},
				"1.5 ": {Version: "1.0.0"}, "true ": {Version: "1.0.0"},
			},
		},
		"JSON": {
			index: `{"apiVersion":"v1","entries":{"other":[{"a":"}]\"\\"}],"a":[null,{"name":"a","version":"1.0.0","urls":["x"],"unknown":[1,{"version":"3.0.0"}]},` +
				`{"name":"a","version":"1.\u0031.0","urls":["y"],"digest":"d"},{"name":"a"}],"b":null},"generated":"2024-01-01T00:00:00Z","serverInfo":{"contextPath":"/v1"}}`,
			wants: []Want{{"a", ""}, {"a", "1.0.0"}, {"b", ""}},
			want: map[string]found{
				"a ": {Version: "1.1.0", URL: "y", Digest: "d"}, "a 1.0.0": {Version: "1.0.0", URL: "x"}, "b ": {Err: "no chart"},
			},
		},
		"no entries": {
			index: "apiVersion: v1\nentries: {}\n",
			wants: []Want{{"a", ""}},
			want:  map[string]found{"a ": {Err: "no chart"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for how, read := range map[string]func() (map[Want]answer, error){
				"scan": func() (map[Want]answer, error) { return scan(strings.NewReader(tc.index), tc.wants) },
				"bytes": func() (map[Want]answer, error) {
					return scan(iotest.OneByteReader(strings.NewReader(tc.index)), tc.wants)
				},
				"parse": func() (map[Want]answer, error) { return parse([]byte(tc.index), tc.wants) },
				"dos": func() (map[Want]answer, error) {
					return scan(strings.NewReader(strings.ReplaceAll(tc.index, "\n", "\r\n")), tc.wants)
				},
				"cut LF": func() (map[Want]answer, error) {
					return scan(strings.NewReader(strings.TrimSuffix(tc.index, "\n")), tc.wants)
				},
			} {
				got, err := read()
				if err != nil {
					t.Errorf("%s: %v", how, err)
					continue
				}
				if diff := cmp.Diff(tc.want, simple(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for name, tc := range map[string]struct {
		index string
		want  error // of scan
		whole error // of parse
	}{
		"nothing":                     {"", ErrIndex, ErrIndex},
		"white space":                 {" \n\n", ErrIndex, ErrIndex},
		"no version of the API":       {"entries: {}\n", ErrIndex, ErrIndex},
		"a page":                      {"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", errLayout, ErrIndex},
		"a list":                      {"- a\n- b\n", ErrIndex, ErrIndex},
		"a text":                      {"hello\n", errLayout, ErrIndex},
		"an unknown key":              {"apiVersion: v1\nentries: {}\nshiny: 1\n", ErrIndex, ErrIndex},
		"entries twice":               {"apiVersion: v1\nentries:\n  a:\n  - name: a\nentries:\n  b: []\n", ErrIndex, ErrIndex},
		"a wanted chart twice":        {"apiVersion: v1\nentries:\n  a: []\n  a: []\n", ErrIndex, ErrIndex},
		"entries of the wrong type":   {"apiVersion: v1\nentries: text\n", errLayout, ErrIndex},
		"a chart of the wrong type":   {"apiVersion: v1\nentries:\n  a: text\n", errLayout, ErrIndex},
		"a time that is none":         {"apiVersion: v1\nentries: {}\ngenerated: soon\n", ErrIndex, ErrIndex},
		"JSON that ends early":        {`{"apiVersion":"v1","entries":{"a":[{"name":"a"}`, errLayout, ErrIndex},
		"JSON and more":               {`{"apiVersion":"v1"} {}`, errLayout, nil},
		"an open quote":               {"apiVersion: v1\nentries:\n  a:\n  - name: \"a\n", errLayout, ErrIndex},
		"anchors":                     {"apiVersion: &v v1\nentries:\n  a:\n  - apiVersion: *v\n    name: a\n    version: 1.0.0\n", errLayout, nil},
		"flow style":                  {"{apiVersion: v1, entries: {a: [{name: a, version: 1.0.0}]}}\n", errLayout, nil},
		"flow style below":            {"apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0}]}\n", errLayout, nil},
		"a long line":                 {"apiVersion: v1\nentries:\n  a:\n  - name: a\n    description: " + long + "\n    version: 1.0.0\n", errLayout, nil},
		"too much beside the entries": {"apiVersion: v1\nannotations:\n" + strings.Repeat("  # padding\n", maxHead/10), ErrIndex, nil},
	} {
		t.Run(name, func(t *testing.T) {
			wants := []Want{{Name: "a"}}
			if _, err := scan(strings.NewReader(tc.index), wants); !errors.Is(err, tc.want) {
				t.Errorf("scan: got %v, want %v", err, tc.want)
			}
			if _, err := parse([]byte(tc.index), wants); !errors.Is(err, tc.whole) {
				t.Errorf("parse: got %v, want %v", err, tc.whole)
			}
		})
	}
}

func TestLongEntry(t *testing.T) {
	line := strings.Repeat("y", 1000)
	text := "apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    description: |\n" + strings.Repeat("      "+line+"\n", 1100) +
		"  b:\n  - name: b\n    version: 1.0.0\n"
	got, err := scan(strings.NewReader(text), []Want{{Name: "a"}, {Name: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]found{"a ": {Err: "entry"}, "b ": {Version: "1.0.0"}}, simple(got)); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsAreShort(t *testing.T) {
	_, err := parse([]byte("apiVersion: v1\n"+strings.Repeat("a", 100_000)+": 1\n"), nil)
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("got an error of %d bytes", len(fmt.Sprint(err)))
	}
}
