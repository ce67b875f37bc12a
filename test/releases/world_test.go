package releases

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// release is a world with a registry of charts.
type release struct {
	*world.World
	registry *upstream.Registry
}

// newRelease returns a world that the shared daemon looks after, in parallel with other
// tests, and whose registry has the given charts. The OCIRepository "chart" follows the
// first of them.
func newRelease(t *testing.T, charts ...upstream.Chart) release {
	t.Helper()
	t.Parallel()
	return makeRelease(t, "{}", charts...)
}

func makeRelease(t *testing.T, labels string, charts ...upstream.Chart) release {
	t.Helper()
	r := release{World: world.New(t, shared.Cluster, labels)}
	var err error
	if r.registry, err = upstream.StartRegistry(t.Context(), upstream.RegistryOptions{}); err != nil {
		t.Fatal(err)
	}
	r.closing(r.registry)
	for _, c := range charts {
		r.push(c)
	}
	if len(charts) > 0 {
		r.Create(r.Manifest("source.toolkit.fluxcd.io/v1", "OCIRepository", "chart",
			"url: oci://"+r.registry.Host()+"/charts/"+charts[0].Name, "insecure: true", "ref: {semver: '*'}",
			"layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}"))
	}
	return r
}

func (r release) closing(c io.Closer) {
	r.T.Cleanup(func() {
		if err := c.Close(); err != nil {
			r.T.Error(err)
		}
	})
}

// push pushes a chart as helm push does.
func (r release) push(c upstream.Chart) {
	r.T.Helper()
	artifact, tag, err := c.Artifact()
	if err == nil {
		_, err = r.registry.Push(r.T.Context(), "charts/"+c.Name, tag, artifact)
	}
	if err != nil {
		r.T.Fatal(err)
	}
}

// upgradeTo pushes another version of the chart and has the OCIRepository look.
func (r release) upgradeTo(c upstream.Chart) {
	r.T.Helper()
	r.push(c)
	r.Reconciled(api.OCIRepositoryGVR, "chart")
}

// helmRelease creates a HelmRelease of the OCIRepository, whose spec has more lines of
// YAML.
func (r release) helmRelease(name string, spec ...string) {
	r.T.Helper()
	r.Create(r.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", name,
		append([]string{"chartRef: {kind: OCIRepository, name: chart}"}, spec...)...))
}

// ready waits until a HelmRelease is ready and returns it.
func (r release) ready(name string) *unstructured.Unstructured {
	r.T.Helper()
	return r.Wait(api.HelmReleaseGVR, name, harness.Ready)
}

// set merges fields into the spec of a HelmRelease.
func (r release) set(name string, fields map[string]any) {
	r.T.Helper()
	r.Patch(api.HelmReleaseGVR, name, map[string]any{"spec": fields})
}

// values replaces spec.values.
func (r release) values(name string, values map[string]any) {
	r.T.Helper()
	r.set(name, map[string]any{"values": values})
}

// history returns the revisions in the status, newest first: number, status, chart.
func history(obj *unstructured.Unstructured) []string {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "history")
	var out []string
	for _, item := range list {
		s := item.(map[string]any)
		version, _, _ := strings.Cut(fmt.Sprint(s["chartVersion"]), "+")
		out = append(out, fmt.Sprintf("%v %v %s", s["version"], s["status"], version))
	}
	return out
}

// records returns the release records in the namespace: name and status.
func (r release) records() []string {
	r.T.Helper()
	out := r.Kubectl("get", "secrets", "-l", "owner=helm", "--sort-by=.metadata.name",
		"-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.status}{"\n"}{end}`)
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// unstructuredObject is what conditions of tests look at.
type unstructuredObject = unstructured.Unstructured

// inventory returns the ids in the inventory, sorted, with the namespace as NS.
func (r release) inventory(obj *unstructured.Unstructured) []string {
	entries, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
	var ids []string
	for _, e := range entries {
		id, _, _ := unstructured.NestedString(e.(map[string]any), "id")
		ids = append(ids, strings.Replace(id, r.Namespace, "NS", 1))
	}
	slices.Sort(ids)
	return ids
}

// number returns a number in the status.
func number(obj *unstructured.Unstructured, field string) int64 {
	n, _, _ := unstructured.NestedInt64(obj.Object, "status", field)
	return n
}

// app is a chart with a ConfigMap, and whatever else files has.
func app(version string, files map[string]string) upstream.Chart {
	all := map[string]string{
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-config}\ndata:\n  word: {{ .Values.word | quote }}\n  version: {{ .Chart.Version | quote }}\n",
	}
	for name, content := range files {
		all[name] = content
	}
	return upstream.Chart{Name: "app", Version: version, Values: "word: hello\nbroken: false\nnever: false\n", Files: all}
}
