package render_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// tree returns a tree of the given files.
func tree(t testing.TB, files map[string]string) *artifacts.Tree {
	t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := store.NewBuilder(artifacts.Limits{})
	for name, content := range files {
		if err := b.AddFile(name, 0o644, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	made, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func job(tree render.Tree, o kustomize.Options) render.Job {
	return render.Job{
		Owner: render.Owner{Namespace: "n", Name: "a"}, Tree: tree, Inputs: o.Inputs(),
		Build: func(ctx context.Context, trace *render.Trace) ([][]byte, error) {
			return kustomize.New(kustomize.Config{NoRemoteBases: true}).Build(ctx, tree, trace, o)
		},
	}
}

// world is a random artifact: shapes of kustomizations over a few names, so that
// mutations hit what builds read as well as what they do not.
type world struct {
	rng   *rand.Rand
	files map[string]string
}

var shapes = []string{
	"resources: [a.yaml]\n",
	"resources: [a.yaml, b.yaml]\nnamePrefix: p-\n",
	"resources: [a.yaml, ../two]\ncommonAnnotations: {x: y}\n",
	"resources: [../two]\nnamespace: three\n",
	"resources: [a.yaml]\nconfigMapGenerator:\n- name: g\n  files: [data.txt]\n",
	"resources: [a.yaml]\npatches:\n- path: patch.yaml\n  target: {kind: ConfigMap}\n",
	"resources: [b.yaml]\nimages: [{name: example/web, newTag: '7'}]\n",
	"resources: [a.yaml, b.yaml]\nreplacements:\n- source: {kind: ConfigMap, fieldPath: data.key}\n  targets: [{select: {kind: Deployment}, fieldPaths: [metadata.annotations.k], options: {create: true}}]\n",
	"resources: [b.yaml]\nreplicas: [{name: web, count: 5}]\nlabels: [{pairs: {l: v}, includeSelectors: true}]\n",
}

func (w *world) content(name string) string {
	pick := w.rng.IntN(4)
	switch filepath.Base(name) {
	case "kustomization.yaml":
		return shapes[w.rng.IntN(len(shapes))]
	case "patch.yaml":
		return fmt.Sprintf("- {op: add, path: /data/patched, value: 'v%d'}\n", pick)
	case "b.yaml":
		return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: %d\n  template: {spec: {containers: [{name: c, image: 'example/web:%d'}]}}\n", pick, pick)
	case "data.txt":
		return fmt.Sprint("text ", pick)
	}
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c-%s}\ndata: {key: 'v%d', float: '1.0', n: null, long: \"%s\"}\n",
		strings.NewReplacer("/", "-", ".yaml", "").Replace(name), pick, strings.Repeat("lorem ipsum ", pick*9))
}

var folders = []string{"one", "two", "two/in", "three"}
var names = []string{"a.yaml", "b.yaml", "kustomization.yaml", "patch.yaml", "data.txt", "README.md", "extra.yml"}

// mutate adds, changes or removes a file.
func (w *world) mutate() {
	name := folders[w.rng.IntN(len(folders))] + "/" + names[w.rng.IntN(len(names))]
	if _, ok := w.files[name]; ok && w.rng.IntN(3) == 0 {
		delete(w.files, name)
		return
	}
	w.files[name] = w.content(name)
}

// reference builds on disk with kustomize as it is.
func reference(t *testing.T, files map[string]string, dir string) (string, error) {
	t.Helper()
	base := t.TempDir()
	for name, content := range files {
		p := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := &krusty.Options{Reorder: krusty.ReorderOptionNone, LoadRestrictions: types.LoadRestrictionsNone, PluginConfig: types.DisabledPluginConfig()}
	m, err := krusty.MakeKustomizer(o).Run(filesys.MakeFsOnDisk(), filepath.Join(base, dir))
	if err != nil {
		return "", err
	}
	text, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(text)), nil
}

// The digest is that of the YAML that kustomize writes.
func TestDigestIsThatOfKustomize(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	compared := 0
	for range 150 {
		w := &world{rng: rng, files: map[string]string{}}
		for range 25 {
			w.mutate()
		}
		dir := folders[rng.IntN(len(folders))]
		if _, ok := w.files[dir+"/kustomization.yaml"]; !ok {
			continue
		}
		got, gotErr := render.NewCache(0, nil).Render(context.Background(), job(tree(t, w.files), kustomize.Options{Path: dir}))
		want, wantErr := reference(t, w.files, dir)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("we: %v\nkustomize: %v\nof %v", gotErr, wantErr, w.files)
		}
		if gotErr == nil && got.Digest != want {
			t.Fatalf("another digest of %v", w.files)
		}
		if gotErr == nil {
			compared++
		}
	}
	if compared < 20 {
		t.Errorf("only %d trees were compared", compared)
	}
}

// What a kustomization file may say, what has been deprecated and what is a file of its
// own as well, means what it means to kustomize. The file is read and written anew on
// the way.
func TestFieldsOfKustomize(t *testing.T) {
	before := http.DefaultTransport
	http.DefaultTransport = kustomize.NoNetwork{} // as in the program, or no transformer is built
	t.Cleanup(func() { http.DefaultTransport = before })
	files := map[string]string{
		"web.yaml":                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, annotations: {note: $(NAME)}}\nspec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: nginx:1, env: [{name: A, valueFrom: {configMapKeyRef: {name: made, key: k}}}]}]}}}\n",
		"config.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {k: v}\n",
		"patch.yaml":              "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {paused: true}\n",
		"json.yaml":               "- {op: replace, path: /spec/replicas, value: 3}\n",
		"base/kustomization.yaml": "resources: [more.yaml]\n", "base/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n",
		"one.env": "A=1\nB=two words\n", "file.txt": "text",
		"labels.yaml":                  "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: l}\nlabels: {team: a}\nfieldSpecs: [{path: metadata/labels, create: true}]\n",
		"generate.yaml":                "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: from-a-file}\nliterals: [a=b]\n",
		"names.yaml":                   "nameReference: [{kind: ConfigMap, fieldSpecs: [{kind: Deployment, path: metadata/annotations/config}]}]\n",
		"replace.yaml":                 "- source: {kind: ConfigMap, name: config, fieldPath: data.k}\n  targets: [{select: {kind: Deployment}, fieldPaths: [metadata.annotations.k], options: {create: true}}]\n",
		"component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
	}
	for name, text := range map[string]string{
		"bases":                 "resources: [web.yaml]\nbases: [base]\n",
		"commonLabels":          "resources: [web.yaml]\ncommonLabels: {team: a}\ncommonAnnotations: {note: b}\n",
		"patchesStrategicMerge": "resources: [web.yaml]\npatchesStrategicMerge: [patch.yaml]\n",
		"patchesJson6902":       "resources: [web.yaml]\npatchesJson6902: [{path: json.yaml, target: {group: apps, version: v1, kind: Deployment, name: web}}]\n",
		"vars":                  "resources: [web.yaml, config.yaml]\nvars: [{name: NAME, objref: {kind: ConfigMap, name: config, apiVersion: v1}}]\nnamePrefix: p-\n",
		"env of a generator":    "resources: [web.yaml]\nconfigMapGenerator: [{name: made, env: one.env}]\n",
		"patches":               "resources: [web.yaml]\npatches: [{path: patch.yaml}, {path: json.yaml, target: {kind: Deployment}}]\n",
		"names and namespaces":  "resources: [web.yaml, config.yaml]\nnamePrefix: p-\nnameSuffix: -s\nnamespace: other\n",
		"images and replicas":   "resources: [web.yaml]\nimages: [{name: nginx, newName: mirror/nginx, newTag: '2'}]\nreplicas: [{name: web, count: 7}]\n",
		"labels":                "resources: [web.yaml]\nlabels: [{pairs: {a: b}, includeSelectors: true}, {pairs: {c: d}, includeTemplates: true}]\n",
		"generators of maps":    "resources: [web.yaml]\nconfigMapGenerator: [{name: made, envs: [one.env], files: [file.txt, k=file.txt], literals: [x=y]}]\nsecretGenerator: [{name: s, type: Opaque, literals: [a=b]}]\n",
		"generatorOptions":      "resources: [web.yaml]\nconfigMapGenerator: [{name: made, literals: [k=v]}]\ngeneratorOptions: {disableNameSuffixHash: true, labels: {g: h}, immutable: true}\n",
		"replacements":          "resources: [web.yaml, config.yaml]\nreplacements: [{path: replace.yaml}]\n",
		"configurations":        "resources: [web.yaml, config.yaml]\nconfigurations: [names.yaml]\nnamePrefix: p-\n",
		"components":            "resources: [web.yaml]\ncomponents: [component]\n",
		"transformers":          "resources: [web.yaml, config.yaml]\ntransformers: [labels.yaml]\n",
		"generators":            "resources: [web.yaml]\ngenerators: [generate.yaml]\n",
		"buildMetadata":         "resources: [web.yaml, base]\nbuildMetadata: [originAnnotations, transformerAnnotations, managedByLabel]\nnamePrefix: p-\n",
		"sortOptions":           "resources: [web.yaml, config.yaml]\nsortOptions: {order: fifo}\n",
		"an inline transformer": "resources: [web.yaml]\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: p}\n  prefix: q-\n  fieldSpecs: [{path: metadata/name}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			all := maps.Clone(files)
			all["kustomization.yaml"] = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n" + text
			got, err := render.NewCache(0, nil).Render(context.Background(), job(tree(t, all), kustomize.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			want, err := reference(t, all, "")
			if err != nil {
				t.Fatal(err)
			}
			if got.Digest != want {
				t.Errorf("it is another build: %v", got.Objects)
			}
		})
	}
}

// Scalars that are easy to get wrong.
func TestDigestOfScalars(t *testing.T) {
	files := map[string]string{
		"kustomization.yaml": "resources: [a.yaml]\n",
		"a.yaml": `apiVersion: example.com/v1
kind: Thing
metadata: {name: t, annotations: {empty: "", yes: "yes", date: "2024-01-02", multi: "a\nb\n", colon: "a: b", hash: "#", emoji: "😀 <&>", tab: "\t", sep: "\u2028"}}
spec: {i: 1, neg: -3, big: 9007199254740993, f: 1.5, e: 1e3, small: 1e-9, t: true, n: null, l: [], m: {}, octal: 0o17, hex: 0x1f, s: "0x1f", oct: "017"}
text: |
  first

    second
folded: >-
  a
  b
`,
	}
	got, err := render.NewCache(0, nil).Render(context.Background(), job(tree(t, files), kustomize.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	want, err := reference(t, files, "")
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != want {
		t.Errorf("got %s, want %s of %v", got.Digest, want, got.Objects[0].Object)
	}
}

func TestOwnershipOfObjects(t *testing.T) {
	c := render.NewCache(0, nil)
	j := job(tree(t, map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}), kustomize.Options{})
	for _, cached := range []bool{false, true, true} {
		out, err := c.Render(context.Background(), j)
		if err != nil {
			t.Fatal(err)
		}
		if out.Cached != cached || len(out.Objects) != 1 || out.Objects[0].GetName() != "a" {
			t.Fatalf("got %+v", out)
		}
		out.Objects[0].SetName("changed by the caller")
	}
}

// Only what a build has read decides whether it is done again.
func TestWhatIsRead(t *testing.T) {
	before := map[string]string{
		"app/kustomization.yaml": "resources: [a.yaml, ../base]\n", "app/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		"base/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n", "base/kustomization.yaml": "resources: [b.yaml]\n",
		"base/unused.yaml": "x", "other/c.yaml": "y",
	}
	cases := map[string]struct {
		change map[string]string
		built  bool
	}{
		"nothing":                     {nil, false},
		"another application":         {map[string]string{"other/c.yaml": "z"}, false},
		"a file that nobody lists":    {map[string]string{"base/unused.yaml": "z", "app/new.yaml": "z"}, false},
		"a resource":                  {map[string]string{"app/a.yaml": before["app/a.yaml"] + "data: {k: v}\n"}, true},
		"a resource of the base":      {map[string]string{"base/b.yaml": before["base/b.yaml"] + "data: {k: v}\n"}, true},
		"a second kustomization":      {map[string]string{"base/Kustomization": "resources: []\n"}, true},
		"a kustomization in the base": {map[string]string{"base/kustomization.yaml": "resources: [b.yaml]\nnamePrefix: x-\n"}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			after := map[string]string{}
			for k, v := range before {
				after[k] = v
			}
			for k, v := range c.change {
				after[k] = v
			}
			cache := render.NewCache(0, nil)
			o := kustomize.Options{Path: "app"}
			if _, err := cache.Render(context.Background(), job(tree(t, before), o)); err != nil {
				t.Fatal(err)
			}
			out, err := cache.Render(context.Background(), job(tree(t, after), o))
			if err == nil && out.Cached == c.built {
				t.Errorf("built: %v, want %v", !out.Cached, c.built)
			}
			if err != nil && !c.built {
				t.Error(err)
			}
		})
	}
}

func TestEdits(t *testing.T) {
	j := job(tree(t, map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}), kustomize.Options{})
	replace := func(from, to string) render.Edit {
		return func(_ context.Context, document []byte) ([]byte, error) {
			return []byte(strings.ReplaceAll(string(document), from, to)), nil
		}
	}
	j.Edits = []render.Edit{replace(`"a"`, `"b"`), replace(`"b"`, `"c"`)}
	out, err := render.NewCache(0, nil).Render(context.Background(), j)
	if err != nil || out.Objects[0].GetName() != "c" {
		t.Errorf("got %v, %v", out.Objects, err)
	}
	j.Edits = slices.Insert(j.Edits, 0, func(context.Context, []byte) ([]byte, error) { return nil, os.ErrPermission })
	if _, err := render.NewCache(0, nil).Render(context.Background(), j); err != os.ErrPermission { //nolint:errorlint // it must be untouched
		t.Errorf("got %v", err)
	}
}
