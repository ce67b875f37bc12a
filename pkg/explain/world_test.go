package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// now is when every explanation of these tests is made.
var now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// world is a cluster, and a process if it has states.
type world struct {
	t       *testing.T
	objects map[reconcilers.Ref]*unstructured.Unstructured
	states  map[string]State // by name as in reports; nil is no process
	memory  map[string]bool  // digests
	foreign map[string]bool
	denied  map[string]bool
	reads   int
}

// newWorld returns a world of manifests. Their status is part of them.
func newWorld(t *testing.T, manifests ...string) *world {
	t.Helper()
	w := &world{t: t, objects: make(map[reconcilers.Ref]*unstructured.Unstructured)}
	for _, text := range manifests {
		for _, one := range strings.Split(text, "\n---\n") {
			obj := &unstructured.Unstructured{}
			data, err := yaml.YAMLToJSON([]byte(one))
			if err != nil {
				t.Fatal(err, one)
			}
			if err := obj.UnmarshalJSON(data); err != nil { // numbers are as the API server's
				t.Fatal(err, one)
			}
			w.objects[reconcilers.NewRef(obj.GroupVersionKind().GroupKind(), obj.GetNamespace(), obj.GetName())] = obj
		}
	}
	return w
}

func (w *world) Object(_ context.Context, ref reconcilers.Ref) (*unstructured.Unstructured, bool, error) {
	w.reads++
	if ref.Name == "broken" {
		return nil, false, errors.New("it does not fit its type:\nspec.interval")
	}
	return w.objects[ref], w.foreign[name(ref)], nil
}

func (w *world) Resource(kind schema.GroupKind) (schema.GroupVersionResource, bool, error) {
	if r, ok := resourceOf(kind); ok {
		return r, true, nil
	}
	if kind.Kind == "Gone" {
		return schema.GroupVersionResource{}, false, fmt.Errorf("the kind %s is not served", kind)
	}
	return schema.GroupVersionResource{Group: kind.Group, Resource: strings.ToLower(kind.Kind) + "s"}, kind.Kind != "Namespace", nil
}

func (w *world) State(ref reconcilers.Ref) (State, bool) {
	s, ok := w.states[name(ref)]
	return s, ok
}

func (w *world) Artifact(_ reconcilers.Ref, digest string) Bytes {
	switch {
	case w.states == nil:
		return BytesUnknown
	case w.memory[digest]:
		return BytesInMemory
	}
	return BytesCold
}

// may is what a caller may see.
func (w *world) may(_ context.Context, a kube.Action) error {
	if a.Verb != "get" {
		w.t.Errorf("asked for %s", a.Verb)
	}
	if w.denied[a.Resource+"/"+a.Namespace+"/"+a.Name] {
		return &door.DeniedError{User: "ann", Action: a}
	}
	return nil
}

// explained returns the text about an object.
func (w *world) explained(subject string) string {
	w.t.Helper()
	ref, err := Subject(subject, "apps", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	report, err := New(Config{World: w, May: w.may, ConfigLabel: "watch=Enabled"}).Explain(w.t.Context(), ref, now)
	if err != nil {
		w.t.Fatal(err)
	}
	var out strings.Builder
	if err := report.Text(&out); err != nil {
		w.t.Fatal(err)
	}
	return out.String()
}

// causes returns the lines that lead to the root.
func (w *world) causes(subject string) string {
	w.t.Helper()
	text, _, _ := strings.Cut(w.explained(subject), "\n\n")
	return strings.TrimSpace(text)
}

// minutes is a time so many minutes from now.
func minutes(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }

// thing is an object of ours in the namespace apps. Ready is "<status> <reason> <message>",
// or empty for one without conditions.
func thing(kind, name, ready string, more ...string) string {
	group, version := "kustomize.toolkit.fluxcd.io", "v1"
	switch {
	case kind == "HelmRelease":
		group, version = "helm.toolkit.fluxcd.io", "v2"
	case kind != "Kustomization":
		group = "source.toolkit.fluxcd.io"
	}
	spec, status := []string{"interval: 10m"}, []string{}
	metadata := fmt.Sprintf("metadata:\n  name: %s\n  namespace: apps\n  generation: 2\n", name)
	for _, m := range more {
		switch where, rest, _ := strings.Cut(m, " "); where {
		case "spec":
			spec = append(spec, rest)
		case "status":
			status = append(status, rest)
		case "metadata":
			metadata += "  " + rest + "\n"
		}
	}
	if ready != "" {
		parts := strings.SplitN(ready, " ", 3)
		status = append(status, fmt.Sprintf("conditions: [{type: Ready, status: %q, reason: %s, message: %q, lastTransitionTime: \"2030-01-01T11:57:00Z\"}]", parts[0], parts[1], parts[2]))
		if !strings.Contains(strings.Join(status, " "), "observedGeneration") {
			status = append(status, "observedGeneration: 2")
		}
	}
	text := fmt.Sprintf("apiVersion: %s/%s\nkind: %s\n%sspec:\n  %s\n", group, version, kind, metadata, strings.Join(spec, "\n  "))
	if len(status) > 0 {
		text += "status:\n  " + strings.Join(status, "\n  ") + "\n"
	}
	return text
}

// repository is a source that has something.
func repository(more ...string) string {
	return thing("GitRepository", "repo", "True Succeeded stored", append([]string{
		"spec url: https://example.com/repo", `status artifact: {revision: "main@sha1:abc", digest: "sha256:1"}`,
	}, more...)...)
}

// fromRepo is the source of Kustomizations.
const fromRepo = "spec sourceRef: {kind: GitRepository, name: repo}"

func deployment(name, available string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: apps, generation: 1, labels: {kustomize.toolkit.fluxcd.io/name: app, kustomize.toolkit.fluxcd.io/namespace: apps}}
spec: {replicas: 1}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: %[2]s, availableReplicas: %[2]s, conditions: [{type: Available, status: "True"}]}
`, name, available)
}

func configMap(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: apps}\n", name)
}
