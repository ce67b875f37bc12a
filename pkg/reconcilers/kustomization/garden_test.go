package kustomization

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
)

// garden is a repository that grows at random, with a Kustomization of one of its
// folders. Most of what grows can be built.
type garden struct {
	*rand.Rand
	t     *testing.T
	files map[string]string
	links map[string]string // name to target
	exec  map[string]bool
	spec  v1.KustomizationSpec
	vars  map[string]map[string]string // as configs has them
	// inputs is another number after each change of something but files and links.
	inputs, changes int
	// said is what happened last, for messages.
	said string
}

// The folders of a garden; what is built lies in the first two.
var folders = []string{"apps/one", "apps/two", "bases/web", "bases/db", "parts/extra", "shared", "apps/one/sub"}

func newGarden(t *testing.T, seed, n uint64) *garden {
	g := &garden{
		Rand: rand.New(rand.NewPCG(seed, n)), t: t, files: map[string]string{}, links: map[string]string{}, exec: map[string]bool{},
		vars: map[string]map[string]string{
			"ConfigMap/flux-system/vars": {"color": "red", "size": "1"}, "Secret/flux-system/vars": {"color": "blue"},
			"Secret/flux-system/keys":  {"age.agekey": sopsFile(t, "keys/age.agekey")},
			"Secret/flux-system/wrong": {"other.agekey": sopsFile(t, "keys/other.agekey")},
		},
	}
	g.spec.Path = "./apps/one"
	if g.maybe(2) {
		g.spec.Decryption = &v1.Decryption{Provider: "sops", SecretRef: &api.LocalObjectReference{Name: "keys"}}
	}
	if !g.maybe(4) {
		g.spec.PostBuild = &v1.PostBuild{SubstituteFrom: []v1.SubstituteReference{
			{Kind: "ConfigMap", Name: "vars", Optional: true}, {Kind: "Secret", Name: "vars", Optional: true},
		}, Substitute: map[string]string{"shape": "round"}}
	}
	for _, folder := range folders {
		g.plant(folder)
	}
	return g
}

// cutting is the garden as it is now, to restore it.
func (g *garden) cutting() *garden {
	c := *g
	c.files, c.links, c.exec, c.vars = maps.Clone(g.files), maps.Clone(g.links), maps.Clone(g.exec), maps.Clone(g.vars)
	c.spec = *g.spec.DeepCopy()
	return &c
}

// restore makes the garden what it was.
func (g *garden) restore(c *garden) {
	c = c.cutting()
	g.files, g.links, g.exec, g.vars, g.spec, g.inputs = c.files, c.links, c.exec, c.vars, c.spec, c.inputs
	g.said = "restored after " + g.said + ", "
}

// maybe is true once in n times.
func (g *garden) maybe(n int) bool { return g.IntN(n) == 0 }

// one returns one of several texts.
func (g *garden) one(of ...string) string { return of[g.IntN(len(of))] }

// manifest is an object that is called after its file.
func (g *garden) manifest(name string) string {
	key := "value"
	if g.spec.PostBuild != nil {
		key = g.one("value", "${color:=none}", "${color}", "${size:=0}")
	}
	base := strings.ReplaceAll(strings.TrimSuffix(name, path.Ext(name)), "/", "-")
	switch g.IntN(3) {
	case 0:
		return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s}\nspec:\n  replicas: %d\n  template: {spec: {containers: [{name: a, image: example.com/a:%d}]}}\n", base, g.IntN(3), g.IntN(3))
	case 1:
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {key: %q}\n---\n# %d\n", base, key, g.IntN(100))
	}
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {key: %q}\n", base, fmt.Sprint(key, g.IntN(3)))
}

// plant fills a folder.
func (g *garden) plant(folder string) {
	for _, name := range []string{"a.yaml", "b.yml"} {
		if g.maybe(4) {
			continue
		}
		p := path.Join(folder, name)
		g.files[p] = g.manifest(p)
	}
	for name, content := range map[string]string{
		"app.env": "A=1\nB=2\n", "app.conf": "port=1\n", "secret.env": sopsFile(g.t, "all.env.enc"),
		"patch.yaml":    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: any}\nspec: {paused: true}\n",
		"labels.yaml":   "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: l}\nlabels: {team: a}\nfieldSpecs: [{path: metadata/labels, create: true}]\n",
		"replace.txt":   "- source: {kind: Secret, name: source, fieldPath: type}\n  targets: [{select: {kind: Deployment}, fieldPaths: [metadata.annotations.from], options: {create: true}}]\n",
		"source.yaml":   "apiVersion: v1\nkind: Secret\nmetadata: {name: source}\ntype: Opaque\n",
		"secret.yaml":   sopsFile(g.t, "secret.yaml.enc"),
		"deep/one.yaml": g.manifest(path.Join(folder, "deep/one.yaml")),
	} {
		if g.maybe(2) {
			g.files[path.Join(folder, name)] = content
		}
	}
	if g.maybe(4) && (folder == "apps/one" || folder == "apps/two") {
		return // one is generated
	}
	g.files[path.Join(folder, g.one("kustomization.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"))] = g.kustomization(folder)
}

// kustomization returns a kustomization file for a folder, most of which names what
// there is.
func (g *garden) kustomization(folder string) string {
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	if strings.HasPrefix(folder, "parts/") {
		text = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
	}
	has := func(name string) bool { _, ok := g.files[path.Join(folder, name)]; return ok || g.maybe(40) }
	var resources []string
	for _, name := range []string{"a.yaml", "b.yml", "deep/one.yaml"} {
		if has(name) && !g.maybe(4) {
			resources = append(resources, name)
		}
	}
	if strings.HasPrefix(folder, "apps/") {
		for _, base := range []string{"../../bases/web", "../../bases/db", "../../shared/a.yaml", "sub"} {
			if g.maybe(3) && (base != "sub" || folder == "apps/one") {
				resources = append(resources, base)
			}
		}
		if g.maybe(3) {
			text += "components: [../../parts/extra]\n"
		}
	}
	if has("replace.txt") && has("source.yaml") && folder == "apps/one" && g.maybe(2) {
		resources = append(resources, "source.yaml")
		text += "replacements: [{path: replace.txt}]\n"
	}
	text += "resources: [" + strings.Join(resources, ", ") + "]\n"
	for name, line := range map[string]string{
		"app.env": "configMapGenerator: [{name: e%d, envs: [app.env]}]\n", "app.conf": "configMapGenerator: [{name: f%d, files: [app.conf, second=app.conf]}]\n",
		"secret.env": "secretGenerator: [{name: s%d, envs: [secret.env]}]\n", "patch.yaml": "patches: [{path: patch.yaml, target: {kind: Deployment}}]\n#%d\n",
		"labels.yaml": "transformers: [labels.yaml]\n#%d\n",
	} {
		if has(name) && g.maybe(2) && !strings.Contains(text, line[:8]) {
			text += fmt.Sprintf(line, g.IntN(1000))
		}
	}
	return text
}

// some returns one of the files, or "" if there are none.
func (g *garden) some() string {
	names := slices.Sorted(maps.Keys(g.files))
	if len(names) == 0 {
		return ""
	}
	return names[g.IntN(len(names))]
}

// grow changes something.
func (g *garden) grow() {
	if g.maybe(4) {
		g.changes++
		g.inputs = g.changes
		g.turn()
		return
	}
	before, _, _ := strings.Cut(g.said, ", ")
	if !strings.HasPrefix(before, "restored") {
		before = ""
	}
	defer func() { g.said = strings.TrimPrefix(before+", "+g.said, ", ") }()
	name, at := g.some(), path.Join(g.one(append(folders, "parts/none")...), g.one(
		"a.yaml", "c.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization", "deep/two.yml", "deep/kustomization.yaml", ".hidden/x.yaml"))
	if name == "" {
		name = at
	}
	switch g.IntN(9) {
	case 0:
		g.said, g.files[name] = "edit "+name, g.files[name]+fmt.Sprintf("# %d\n", g.IntN(1000))
	case 2:
		g.said, g.files[name] = "replace "+name, g.anew(name)
	case 3:
		g.said = "delete " + name
		delete(g.files, name)
	case 1, 4:
		g.said, g.files[at] = "create "+at, g.anew(at)
	case 5:
		g.said, g.files[at] = "rename "+name+" to "+at, g.files[name]
		delete(g.files, name)
	case 6:
		g.said, g.exec[name] = "chmod "+name, !g.exec[name]
	case 7:
		g.said, g.links[at] = "link "+at+" to "+name, "/"+name
		if g.maybe(2) {
			g.links[at] = "/" + path.Dir(name)
		}
	case 8:
		g.said, g.links = "unlink", map[string]string{}
	}
}

// anew returns content for a file.
func (g *garden) anew(name string) string {
	if strings.HasPrefix(strings.ToLower(path.Base(name)), "kustomization") {
		return g.kustomization(path.Dir(name))
	}
	return g.manifest(name)
}

// turn changes an input beside the files.
func (g *garden) turn() {
	switch g.IntN(9) {
	case 0:
		g.said, g.spec.Path = "path", g.one("./apps/one", "apps/two", "apps")
	case 1:
		g.said, g.spec.TargetNamespace = "namespace", g.one("", "a", "b")
	case 2:
		g.said, g.spec.NamePrefix = "prefix", g.one("", "x-")
	case 3:
		g.said, g.spec.Images = "images", []api.Image{{Name: "example.com/a", NewTag: g.one("7", "8")}}
	case 4:
		g.said, g.spec.Components = "components", []string{g.one("../../parts/extra", "../../parts/none")}
		g.spec.IgnoreMissingComponents = true
	case 5:
		g.said = "variables"
		delete(g.vars, "Secret/flux-system/vars")
	case 6, 7:
		g.said, g.vars["ConfigMap/flux-system/vars"] = "variables", map[string]string{"color": g.one("red", "green", "grey"), "size": g.one("1", "2")}
		delete(g.vars, "Secret/flux-system/vars")
	case 8:
		g.said = "keys"
		if g.spec.Decryption != nil {
			g.spec.Decryption.SecretRef = &api.LocalObjectReference{Name: g.one("keys", "keys", "wrong", "none")}
		}
	}
}
