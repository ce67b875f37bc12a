package kustomize

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/render"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// application is four objects.
func application(i int) string {
	name := fmt.Sprintf("app-%d", i)
	return strings.Join([]string{
		configMap(name),
		strings.ReplaceAll(deployment, "name: web\n", "name: "+name+"\n"),
		"apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {ports: [{port: 80}], selector: {app: a}}\n",
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + name + "}\n",
	}, "---\n")
}

func BenchmarkBuild(b *testing.B) {
	for _, c := range []struct {
		objects int
		o       Options
	}{
		{4, Options{}}, {4, Options{TargetNamespace: "n"}}, {4, Options{Patches: []Patch{{Patch: strings.ReplaceAll(deploymentPatch, "web", "app-0")}}}},
		{1000, Options{}}, {1000, Options{TargetNamespace: "n"}},
	} {
		files := make(map[string]string)
		for i := range c.objects / 4 {
			files[fmt.Sprintf("app%d.yaml", i)] = application(i)
		}
		artifact := tree(b, files)
		builder := New(Config{})
		name := fmt.Sprintf("objects=%d/namespace=%v/patches=%d", c.objects, c.o.TargetNamespace != "", len(c.o.Patches))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := builder.Build(context.Background(), artifact, &render.Trace{}, c.o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSchema tells what the schema of Kubernetes costs: CPU to load, and heap
// while it is there.
func BenchmarkSchema(b *testing.B) {
	b.ReportAllocs()
	before := heap()
	for b.Loop() {
		openapi.ResetOpenAPI()
		openapi.Schema()
	}
	b.ReportMetric(float64(heap()-before), "B-loaded")
	openapi.ResetOpenAPI()
	b.ReportMetric(float64(heap()-before), "B-released")
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
