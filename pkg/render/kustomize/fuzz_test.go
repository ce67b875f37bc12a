package kustomize

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
)

// FuzzBuild builds whatever there is. It may fail, but it must end, with an error in
// words of its own.
func FuzzBuild(f *testing.F) {
	f.Add("resources: [a.yaml]\n", configMap("a"), "- {op: add, path: /data/x, value: y}\n")
	f.Add("resources: [.]\n", "", "")
	f.Add("resources: [../x, x]\ncomponents: [/]\n", "kind: List\nitems: [{}]\n", "\x00")
	f.Add("namePrefix: {a: b}\n", "a: &a [*a]\n", "[")
	f.Add("patches: [{patch: 'a: b'}]\nresources: [a.yaml]\n", deployment, "$patch: delete\n")
	f.Add("generators: [a.yaml]\ntransformers: [a.yaml]\n", "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: a}\n", "")
	f.Add("openapi: {path: a.yaml}\nresources: [a.yaml]\n", "{\"definitions\": {\"x\": []}}", "")
	f.Add("crds: [a.yaml]\nconfigurations: [a.yaml]\nreplacements: [{path: a.yaml}]\n", "- - -\n", "")
	f.Add("configMapGenerator: [{name: a, envs: [a.yaml], files: [=, a=b=c]}]\n", "=\n", "")
	f.Fuzz(func(t *testing.T, kustomization, manifest, patch string) {
		store, err := artifacts.New(artifacts.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := store.NewBuilder(artifacts.Limits{})
		for name, text := range map[string]string{"app/kustomization.yaml": kustomization, "app/a.yaml": manifest} {
			if err := b.AddFile(name, 0o644, []byte(text)); err != nil {
				t.Skip(err)
			}
		}
		tree, _, err := b.Build()
		if err != nil {
			t.Skip(err)
		}
		o := Options{Path: "app", NamePrefix: "p-", Patches: []Patch{{Patch: patch, Target: &Target{Kind: ".*"}}}}
		builder := New(Config{NoRemoteBases: true, Limits: Limits{File: 64 << 10, Nodes: 10_000}})
		_, err = builder.Build(context.Background(), tree, &render.Trace{}, o)
		if err != nil && (errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "0x")) {
			t.Errorf("got %v", err)
		}
	})
}
