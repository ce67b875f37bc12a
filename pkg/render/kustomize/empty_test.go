package kustomize

import (
	"errors"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/render"
)

func TestEmptyFiles(t *testing.T) {
	cases := map[string]struct{ content, want string }{
		"nothing":               {"", "kustomization.yaml is empty: app/kustomization.yaml"},
		"comments":              {"# soon\n---\n", "kustomization.yaml is empty: app/kustomization.yaml"},
		"what every file has":   {"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "kustomization.yaml is empty: app/kustomization.yaml"},
		"a typo":                {"resource: [a.yaml]\n", `kustomization.yaml is empty: app/kustomization.yaml has no resources, and fields that are not known: "resource"`},
		"a typo and a label":    {"resource: [a.yaml]\nnamespace: x\n", `fields that are not known: "resource"`},
		"many typos":            {"f: 1\ne: 1\nd: 1\nc: 1\nb: 1\na: 1\n", `fields that are not known: "a", "b", "c", "d", "e"`},
		"a typo of great size":  {strings.Repeat("a", 100) + ": 1\n", `"` + strings.Repeat("a", 64) + `"`},
		"another file, another": {"Resources: [a.yaml]\n", ""}, // as JSON is read
		"a typo beside content": {"resources: [a.yaml]\npatch: []\n", ""},
		"no wish for objects":   {"resources: []\n", ""},
		"a label and nothing":   {"namespace: x\n", ""},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := build(t, New(Config{}), map[string]string{
				"app/kustomization.yaml": tt.content, "app/a.yaml": configMap("a"),
			}, Options{Path: "app"})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (!errors.Is(err, ErrEmpty) || !strings.HasSuffix(err.Error(), tt.want)):
				t.Errorf("got %v", err)
			}
		})
	}
}

// A folder without a kustomization file may be empty, but not blank.
func TestBlankManifests(t *testing.T) {
	cases := map[string]struct {
		files map[string]string
		o     Options
		want  string
	}{
		"comments":               {files: map[string]string{"a.yaml": "# x\n", "b/c.yml": "\n---\n  # y\n"}, want: "there is nothing but comments in app/a.yaml, app/b/c.yml; to have"},
		"nothing at all":         {files: map[string]string{"a.yaml": ""}, want: "there is nothing but comments in app/a.yaml; to have"},
		"no manifests":           {files: map[string]string{"README": "x"}},
		"one that is not blank":  {files: map[string]string{"a.yaml": "# x\n", "b.yaml": configMap("b")}},
		"a base beside it":       {files: map[string]string{"a.yaml": "# x\n", "b/kustomization.yaml": "resources: [c.yaml]", "b/c.yaml": configMap("c")}},
		"all objects taken away": {files: map[string]string{"a.yaml": configMap("a")}, o: Options{Patches: []Patch{{Patch: "$patch: delete\n" + configMap("a")}}}},
		"a file that lists one":  {files: map[string]string{"kustomization.yaml": "resources: [a.yaml]", "a.yaml": "# x\n"}},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"other.yaml": configMap("other")}
			for file, text := range tt.files {
				all["app/"+file] = text
			}
			tt.o.Path = "app"
			_, _, err := build(t, New(Config{}), all, tt.o)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (!errors.Is(err, ErrBlank) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whatever an object lacks, the error names its file, and quotes nothing of it.
func TestObjectsThatLackSomething(t *testing.T) {
	lacking := map[string]string{
		"apiVersion": "kind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n",
		"kind":       "apiVersion: v1\nmetadata: {name: s}\nstringData: {p: hunter2}\n",
		"name":       "apiVersion: v1\nkind: Secret\nmetadata: {namespace: x}\nstringData: {p: hunter2}\n",
		"metadata":   "apiVersion: v1\nkind: Secret\nstringData: {p: hunter2}\n",
	}
	trees := map[string]map[string]string{
		"a folder of manifests": {"app/sub/c.yaml": configMap("c")},
		"a kustomization.yaml":  {"app/kustomization.yaml": "resources: [c.yaml, sub/s.yaml]\n", "app/c.yaml": configMap("c")},
		"a kustomization.yaml of another folder": {
			"app/kustomization.yaml": "resources: [sub]\nnamePrefix: p-\n", "app/sub/kustomization.yaml": "resources: [c.yaml, s.yaml]\n",
			"app/sub/c.yaml": configMap("c"),
		},
	}
	for what, content := range lacking {
		for kind, files := range trees {
			t.Run(what+" in "+kind, func(t *testing.T) {
				all := map[string]string{"app/sub/s.yaml": content}
				for name, text := range files {
					all[name] = text
				}
				_, _, err := build(t, New(Config{}), all, Options{Path: "app"})
				if err == nil {
					t.Fatal("it was built")
				}
				if !strings.Contains(err.Error(), "s.yaml") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v", err)
				}
				if what == "apiVersion" && (!errors.Is(err, render.ErrNoObject) || !strings.HasSuffix(err.Error(), " from app/sub/s.yaml")) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
