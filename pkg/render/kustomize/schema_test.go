package kustomize

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// custom has a list that merges by a key which only its schema tells.
const custom = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\nspec:\n  parts:\n  - {id: a, size: 1}\n  - {id: b, size: 1}\n"

const customSchema = `{"definitions": {
 "v1.Thing": {"type": "object", "properties": {"spec": {"$ref": "#/definitions/v1.Spec"}},
  "x-kubernetes-group-version-kind": [{"group": "example.com", "kind": "Thing", "version": "v1"}]},
 "v1.Spec": {"type": "object", "properties": {"parts": {"type": "array", "items": {"type": "object"},
  "x-kubernetes-patch-merge-key": "id", "x-kubernetes-patch-strategy": "merge"}}}}}`

const customPatch = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\nspec:\n  parts:\n  - {id: a, size: 2}\n"

const deploymentPatch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: side, image: s:2}]}}}\n"

// A schema of one artifact extends the built-in one and does not outlive its build.
func TestCustomSchema(t *testing.T) {
	with := map[string]string{
		"kustomization.yaml": "openapi: {path: schema.json}\nresources: [t.yaml, d.yaml]\n", "schema.json": customSchema,
		"t.yaml": custom, "d.yaml": deployment,
	}
	without := map[string]string{"t.yaml": custom, "d.yaml": deployment}
	o := Options{Patches: []Patch{{Patch: customPatch}, {Patch: deploymentPatch}}}
	const merged, replaced = `[{"id":"a","size":2},{"id":"b","size":1}]`, `[{"id":"a","size":2}]`
	for _, round := range []struct {
		files map[string]string
		want  string
	}{{without, replaced}, {with, merged}, {without, replaced}, {with, merged}} {
		objects, _, err := build(t, New(Config{}), round.files, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := field(t, objects["Thing//t"], "spec", "parts"); got != round.want {
			t.Errorf("got %s, want %s", got, round.want)
		}
		containers, _, _ := nested(objects["Deployment//web"].Object, "spec", "template", "spec", "containers")
		if len(containers) != 2 {
			t.Errorf("the built-in schema is not used: %v", containers)
		}
	}
}

func nested(m map[string]any, path ...string) ([]any, bool, error) {
	for _, p := range path[:len(path)-1] {
		m, _ = m[p].(map[string]any)
	}
	list, ok := m[path[len(path)-1]].([]any)
	return list, ok, nil
}

func TestGuardReleasesTheSchemaWhenIdle(t *testing.T) {
	known := yaml.TypeMeta{APIVersion: "example.com/v1", Kind: "Probe"}
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(time.Second)
		inside := func(f func()) {
			if err := g.do(context.Background(), func() error { f(); return nil }); err != nil {
				t.Error(err)
			}
		}
		inside(func() {
			if err := openapi.AddSchema([]byte(probe)); err != nil {
				t.Error(err)
			}
		})
		for range 3 { // builds that follow each other share the schema
			<-time.After(900 * time.Millisecond)
			inside(func() {
				if openapi.SchemaForResourceType(known) == nil {
					t.Error("the schema was released too early")
				}
			})
		}
		<-time.After(1100 * time.Millisecond)
		inside(func() {
			if openapi.SchemaForResourceType(known) != nil {
				t.Error("the schema was not released")
			}
		})
	})
}

const probe = `{"definitions":{"p":{"x-kubernetes-group-version-kind":[{"group":"example.com","version":"v1","kind":"Probe"}]}}}`

func TestGuardIsCancelled(t *testing.T) {
	g := newGuard(time.Hour)
	if err := g.enter(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentBuilds(t *testing.T) {
	files := map[string]string{"d.yaml": deployment}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			objects, _, err := build(t, New(Config{}), files, Options{Patches: []Patch{{Patch: deploymentPatch}}})
			if err != nil || len(objects) != 1 {
				t.Errorf("got %d objects, %v", len(objects), err)
			}
		})
	}
	running.Wait()
}

// A build that makes kustomize panic fails alone.
func TestPanic(t *testing.T) {
	v := newView(nil, nil, Limits{}.orDefaults())
	_, err := locked(context.Background(), v, target{dir: root})
	if err == nil {
		t.Error("no error")
	}
	if _, _, err := build(t, New(Config{}), map[string]string{"a.yaml": configMap("a")}, Options{}); err != nil {
		t.Errorf("the next build fails: %v", err)
	}
}
