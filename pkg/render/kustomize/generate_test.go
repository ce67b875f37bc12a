package kustomize

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/types"
)

func TestOptions(t *testing.T) {
	cases := map[string]struct {
		files  map[string]string
		o      Options
		object string
		path   []string
		want   string
	}{
		"target namespace": {
			files: map[string]string{"kustomization.yaml": "namespace: other\nresources: [d.yaml]\n", "d.yaml": deployment},
			o:     Options{TargetNamespace: "apps"}, object: "Deployment/apps/web", path: []string{"metadata", "namespace"}, want: `"apps"`,
		},
		"target namespace of an empty folder": {
			files: map[string]string{"d.yaml": deployment},
			o:     Options{TargetNamespace: "apps"}, object: "Deployment/apps/web", path: []string{"kind"}, want: `"Deployment"`,
		},
		"prefix and suffix replace": {
			files: map[string]string{"kustomization.yaml": "namePrefix: a-\nnameSuffix: -a\nresources: [d.yaml]\n", "d.yaml": deployment},
			o:     Options{NamePrefix: "b-", NameSuffix: "-b"}, object: "Deployment//b-web-b", path: []string{"kind"}, want: `"Deployment"`,
		},
		"a strategic merge patch after that of the file": {
			files: map[string]string{
				"kustomization.yaml": "resources: [d.yaml]\npatches: [{path: p.yaml}]\n", "d.yaml": deployment,
				"p.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 2}\n",
			},
			o:      Options{Patches: []Patch{{Patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3, template: {spec: {containers: [{name: side, image: new/side}]}}}\n"}}},
			object: "Deployment//web", path: []string{"spec"},
			want: `{"replicas":3,"template":{"spec":{"containers":[{"image":"new/side","name":"side"},{"image":"example/web:1","name":"web"}]}}}`,
		},
		"a JSON 6902 patch with a target": {
			files:  map[string]string{"d.yaml": deployment},
			o:      Options{Patches: []Patch{{Patch: "- {op: add, path: /spec/paused, value: true}", Target: &Target{Kind: "Deploy.*", Name: "w.b"}}}},
			object: "Deployment//web", path: []string{"spec", "paused"}, want: "true",
		},
		"images": {
			files:  map[string]string{"d.yaml": deployment},
			o:      Options{Images: []Image{{Name: "example/web", NewName: "mirror/web", NewTag: "2"}, {Name: "example/side", Digest: "sha256:aa"}}},
			object: "Deployment//web", path: []string{"spec", "template", "spec", "containers"},
			want: `[{"image":"mirror/web:2","name":"web"},{"image":"example/side@sha256:aa","name":"side"}]`,
		},
		"a component": {
			files: map[string]string{
				"app/d.yaml":               deployment,
				"extra/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {from: component}\n",
			},
			o:      Options{Path: "app", Components: []string{"../extra"}},
			object: "Deployment//web", path: []string{"metadata", "annotations", "from"}, want: `"component"`,
		},
		"a missing component that may be missing": {
			files:  map[string]string{"d.yaml": deployment},
			o:      Options{Components: []string{"extra"}, IgnoreMissingComponents: true},
			object: "Deployment//web", path: []string{"kind"}, want: `"Deployment"`,
		},
		"build metadata": {
			files:  map[string]string{"kustomization.yaml": "resources: [sub/d.yaml]\n", "sub/d.yaml": deployment},
			o:      Options{BuildMetadata: []string{"originAnnotations"}},
			object: "Deployment//web", path: []string{"metadata", "annotations", "config.kubernetes.io/origin"}, want: `"path: sub/d.yaml\n"`,
		},
		"origin annotations of a file without resources": {
			files:  map[string]string{"kustomization.yaml": "configMapGenerator: [{name: c, literals: [a=b], options: {disableNameSuffixHash: true}}]\n"},
			object: "ConfigMap//c", path: []string{"metadata", "annotations", "config.kubernetes.io/origin"},
			want: `"configuredIn: kustomization.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n"`,
		},
		"a delete patch": {
			files:  map[string]string{"d.yaml": deployment, "c.yaml": configMap("c")},
			o:      Options{Patches: []Patch{{Patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n$patch: delete\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {key: new}\n"}}},
			object: "ConfigMap//c", path: []string{"data", "key"}, want: `"new"`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			objects, order, err := build(t, New(Config{}), c.files, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := field(t, objects[c.object], c.path...); got != c.want {
				t.Errorf("got %s, want %s, of %q", got, c.want, order)
			}
		})
	}
}

func TestWithImage(t *testing.T) {
	cases := map[string]struct {
		images []types.Image
		image  Image
		want   []types.Image
	}{
		"no such name":           {nil, Image{Name: "a", NewTag: "1"}, []types.Image{{Name: "a", NewTag: "1"}}},
		"a tag clears a digest":  {[]types.Image{{Name: "a", Digest: "d"}}, Image{Name: "a", NewTag: "1"}, []types.Image{{Name: "a", NewTag: "1"}}},
		"a digest clears a tag":  {[]types.Image{{Name: "a", NewTag: "1"}}, Image{Name: "a", Digest: "d"}, []types.Image{{Name: "a", Digest: "d"}}},
		"both":                   {[]types.Image{{Name: "a", NewTag: "1"}}, Image{Name: "a", NewTag: "2", Digest: "d"}, []types.Image{{Name: "a", NewTag: "2", Digest: "d"}}},
		"a new name keeps a tag": {[]types.Image{{Name: "a", NewName: "x", NewTag: "1"}}, Image{Name: "a", NewName: "b"}, []types.Image{{Name: "a", NewName: "b", NewTag: "1"}}},
		"a tag keeps a new name": {[]types.Image{{Name: "a", NewName: "x"}}, Image{Name: "a", NewTag: "1"}, []types.Image{{Name: "a", NewName: "x", NewTag: "1"}}},
		"a name alone":           {[]types.Image{{Name: "a", NewName: "x", NewTag: "1"}}, Image{Name: "a"}, []types.Image{{Name: "a", NewName: "x", NewTag: "1"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, withImage(c.images, c.image)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An error that is retried is no news.
func TestErrorsStayTheSame(t *testing.T) {
	generator := "configMapGenerator: [{name: a, literals: [k=v]}]\n"
	files := map[string]string{
		"kustomization.yaml":      "resources: [base]\n" + generator,
		"base/kustomization.yaml": generator,
	}
	var texts []string
	for range 2 {
		_, _, err := build(t, New(Config{}), files, Options{})
		if err == nil {
			t.Fatal("two objects have the same name")
		}
		texts = append(texts, err.Error())
	}
	if texts[0] != texts[1] || strings.Contains(texts[0], "0x") {
		t.Errorf("got %s\nand %s", texts[0], texts[1])
	}
}

func TestBuildErrors(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for _, next := range []string{"b", "c", "d", "e", "f", "g"} {
		before := string(next[0] - 1)
		bomb += next + ": &" + next + " [" + strings.Repeat("*"+before+",", 9) + "*" + before + "]\n"
	}
	cases := map[string]struct {
		files map[string]string
		o     Options
		is    error
		texts []string
	}{
		"no such path": {
			files: map[string]string{"a.yaml": configMap("a")}, o: Options{Path: "nope"},
			is: ErrPathNotFound, texts: []string{"stat nope: no such file or directory"},
		},
		"a path that is a file": {
			files: map[string]string{"a.yaml": configMap("a")}, o: Options{Path: "a.yaml"}, is: ErrPathNotFound,
		},
		"a manifest that is none": {
			files: map[string]string{"x/a.yaml": "kind: ConfigMap\nmetadata: {name: a}\n"},
			texts: []string{"failed to decode Kubernetes YAML from x/a.yaml: missing metadata.name", "failed to decode"}[1:],
		},
		"malformed YAML": {
			files: map[string]string{"x/a.yaml": "a: [\n"}, texts: []string{"failed to decode Kubernetes YAML from x/a.yaml"},
		},
		"a missing resource": {
			files: map[string]string{"kustomization.yaml": "resources: [gone.yaml]\n"},
			texts: []string{"kustomize build failed: ", "gone.yaml", "no such file or directory"},
		},
		"two kustomization files": {
			files: map[string]string{"kustomization.yaml": "resources: [a.yaml]", "Kustomization": "resources: [a.yaml]", "a.yaml": configMap("a")},
			texts: []string{"multiple kustomization files"},
		},
		"a path out of the artifact": {
			files: map[string]string{"kustomization.yaml": "resources: [../../etc/passwd]\n"},
			texts: []string{"fs-security-constraint", "/etc/passwd' is not in or below"},
		},
		"an absolute path": {
			files: map[string]string{"kustomization.yaml": "configMapGenerator: [{name: a, files: [/etc/passwd]}]\n"},
			is:    ErrEscape,
		},
		"a cycle": {
			files: map[string]string{"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"},
			texts: []string{"cycle detected"},
			o:     Options{Path: "a"},
		},
		"a remote component": {
			files: map[string]string{"a.yaml": configMap("a")}, o: Options{Components: []string{"https://example.com/c"}},
			texts: []string{"component path 'https://example.com/c' must be local and relative"},
		},
		"a missing component": {
			files: map[string]string{"a.yaml": configMap("a")}, o: Options{Components: []string{"extra"}}, texts: []string{"kustomize build failed"},
		},
		"a bomb of aliases": {
			files: map[string]string{"app/bomb.yaml": bomb}, is: ErrLimit, texts: []string{"app/bomb.yaml", "aliases expand"},
		},
		"a bomb in the kustomization file": {
			files: map[string]string{"kustomization.yaml": bomb}, is: ErrLimit, texts: []string{"kustomization.yaml"},
		},
		"a bomb in a nested kustomization file": {
			files: map[string]string{"kustomization.yaml": "resources: [sub]", "sub/kustomization.yaml": bomb}, is: ErrLimit, texts: []string{"sub/kustomization.yaml"},
		},
		"a bomb in a patch": {
			files: map[string]string{"a.yaml": configMap("a")}, o: Options{Patches: []Patch{{Patch: bomb}}}, is: ErrLimit,
		},
		"an alias of itself": {
			files: map[string]string{"a.yaml": "a: &a [*a]\n"}, is: ErrLimit,
		},
		"deep nesting": {
			files: map[string]string{"a.yaml": "a: " + strings.Repeat("[", 3000) + strings.Repeat("]", 3000)}, is: ErrLimit, texts: []string{"a.yaml", "nested deeper"},
		},
		"deep block nesting": {
			files: map[string]string{"a.yaml": strings.Repeat("- ", 1000) + "x"}, is: ErrLimit,
		},
		"two objects of one name": {
			files: map[string]string{"a.yaml": configMap("a"), "b.yaml": configMap("a")}, texts: []string{"may not add resource with an already registered id"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := build(t, New(Config{}), c.files, c.o)
			if err == nil {
				t.Fatal("no error")
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			for _, text := range c.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q lacks %q", err, text)
				}
			}
		})
	}
}

func TestLimitsOfBytes(t *testing.T) {
	files := map[string]string{"a.yaml": configMap("a"), "b.yaml": configMap("b")}
	for name, l := range map[string]Limits{"a file": {File: 20}, "all files": {Total: 100}} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := build(t, New(Config{Limits: l}), files, Options{}); !errors.Is(err, ErrLimit) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAliasesAreFine(t *testing.T) {
	files := map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: &l {x: y}, annotations: *l}\ndata: *l\n"}
	objects, _, err := build(t, New(Config{}), files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := field(t, objects["ConfigMap//a"], "data"); got != `{"x":"y"}` {
		t.Error(got)
	}
}
