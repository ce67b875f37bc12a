package world

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// Patience is how long a test waits for something that should be immediate. The
// machine may be busy with other tests.
const Patience = 30 * time.Second

// Secrets are the resource.
var Secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// World is the namespace of one test.
type World struct {
	T         *testing.T
	Cluster   *harness.Cluster
	Namespace string
	// Labels are those of the objects that [World.Manifest] makes, as a YAML
	// mapping.
	Labels string
}

// New makes a namespace that is called after the test.
func New(t *testing.T, cluster *harness.Cluster, labels string) *World {
	t.Helper()
	w := &World{T: t, Cluster: cluster, Namespace: NamespaceOf(t), Labels: labels}
	w.Create("apiVersion: v1\nkind: Namespace\nmetadata: {name: NS}")
	return w
}

// NamespaceOf is the name of a test as a namespace.
func NamespaceOf(t *testing.T) string {
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	return strings.Trim(name[:min(len(name), 60)], "-")
}

// Expand replaces NS by the namespace.
func (w *World) Expand(text string) string { return strings.ReplaceAll(text, "NS", w.Namespace) }

// Create creates manifests.
func (w *World) Create(manifests string) {
	w.T.Helper()
	if _, err := w.Cluster.Create(w.T.Context(), w.Expand(manifests)); err != nil {
		w.T.Fatal(err)
	}
}

// Manifest is one of an object in the namespace, whose spec is lines of YAML. One
// that says no interval gets ten minutes, so that what happens within a test
// happened because of an event.
func (w *World) Manifest(apiVersion, kind, name string, spec ...string) string {
	text := strings.Join(spec, "\n")
	if !strings.Contains(text, "interval:") {
		text += "\ninterval: 10m"
	}
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: NS, labels: %s}\nspec:\n%s\n",
		apiVersion, kind, name, w.Labels, indent(text))
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// Secret creates a Secret whose changes are noticed. Its data is not expanded.
func (w *World) Secret(name string, data map[string]string) {
	w.T.Helper()
	w.SecretOf("Opaque", name, data)
}

// SecretOf is Secret with a type.
func (w *World) SecretOf(kind, name string, data map[string]string) {
	w.T.Helper()
	lines := ""
	for key, value := range data {
		lines += fmt.Sprintf("  %s: %q\n", key, value)
	}
	if _, err := w.Cluster.Create(w.T.Context(), fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: %s\n"+
		"metadata: {name: %s, namespace: %s, labels: {reconcile.fluxcd.io/watch: Enabled}}\nstringData:\n%s", kind, name, w.Namespace, lines)); err != nil {
		w.T.Fatal(err)
	}
}

// Wait waits until an object is as is says, and returns it.
func (w *World) Wait(gvr schema.GroupVersionResource, name string, is Is) *unstructured.Unstructured {
	w.T.Helper()
	return w.WaitFor(Patience, gvr, name, is)
}

// WaitFor is Wait with another patience.
func (w *World) WaitFor(long time.Duration, gvr schema.GroupVersionResource, name string, is Is) *unstructured.Unstructured {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), long)
	defer cancel()
	obj, err := w.Cluster.Wait(ctx, gvr, w.Namespace, name, is)
	if err != nil {
		w.T.Fatal(err)
	}
	return obj
}

// Get returns an object, nil if there is none.
func (w *World) Get(gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	w.T.Helper()
	return w.Wait(gvr, name, func(*unstructured.Unstructured) bool { return true })
}

// Patch merges a change into an object as kubectl edit would.
func (w *World) Patch(gvr schema.GroupVersionResource, name string, change map[string]any) *unstructured.Unstructured {
	w.T.Helper()
	obj, err := w.Cluster.Patch(w.T.Context(), gvr, w.Namespace, name, change)
	if err != nil {
		w.T.Fatal(err)
	}
	return obj
}

// Delete deletes an object.
func (w *World) Delete(gvr schema.GroupVersionResource, name string) {
	w.T.Helper()
	if err := w.Cluster.Delete(w.T.Context(), gvr, w.Namespace, name); err != nil {
		w.T.Fatal(err)
	}
}

// Request asks for a reconcile of an object, as flux reconcile does, and returns
// what it will say once that is done.
func (w *World) Request(gvr schema.GroupVersionResource, name string) string {
	w.T.Helper()
	at := time.Now().Format(time.RFC3339Nano)
	w.Patch(gvr, name, map[string]any{"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: at}}})
	return at
}

// Reconciled asks for a reconcile of an object and waits until it was handled.
func (w *World) Reconciled(gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	w.T.Helper()
	return w.Wait(gvr, name, harness.Field(w.Request(gvr, name), "status", "lastHandledReconcileAt"))
}

// Kubectl runs kubectl in the namespace and returns what it printed.
func (w *World) Kubectl(args ...string) string {
	w.T.Helper()
	out, err := w.Cluster.Kubectl(w.T.Context(), append([]string{"-n", w.Namespace}, args...)...)
	if err != nil {
		w.T.Fatal(err, out)
	}
	return strings.TrimSpace(out)
}
