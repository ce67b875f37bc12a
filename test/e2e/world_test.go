package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	words "github.com/fluxd/fluxd/test/harness/world"
)

// Words that these tests share with others.
const patience = words.Patience

type is = words.Is

var (
	all, not         = words.All, words.Not
	condition, field = words.Condition, words.Field
	equal, contains  = words.Equal, words.Contains
	namespaceOf      = words.NamespaceOf
)

// files are those of a commit by name. NS in a content is the test's namespace.
type files map[string]string

// world is a namespace and a repository of one test.
type world struct {
	*harness.Cluster
	t         *testing.T
	namespace string
	repo      *gittest.Repo
	labels    string // of the objects to reconcile, as a YAML mapping
}

// newWorld returns a world whose repository holds the given files on the branch
// main. The shared daemon looks after it, in parallel with other tests.
func newWorld(t *testing.T, content files) *world {
	t.Helper()
	t.Parallel()
	return makeWorld(t, "{}", content)
}

func makeWorld(t *testing.T, labels string, content files) *world {
	t.Helper()
	return makeWorldIn(t, cluster, labels, content)
}

func makeWorldIn(t *testing.T, cluster *harness.Cluster, labels string, content files) *world {
	t.Helper()
	name := namespaceOf(t)
	w := &world{Cluster: cluster, t: t, namespace: name, labels: labels}
	var err error
	if w.repo, err = gittest.NewRepo(t.Context(), gits.Root, name); err != nil {
		t.Fatal(err)
	}
	w.create("apiVersion: v1\nkind: Namespace\nmetadata: {name: NS}")
	if len(content) > 0 {
		w.commit(content)
	}
	return w
}

func (w *world) expand(text string) string { return strings.ReplaceAll(text, "NS", w.namespace) }

// commit commits files to main and returns the commit's id.
func (w *world) commit(content files) string {
	w.t.Helper()
	return w.commitTo("main", content)
}

func (w *world) commitTo(branch string, content files) string {
	w.t.Helper()
	expanded := make(map[string]string, len(content))
	for name, text := range content {
		expanded[name] = w.expand(text)
	}
	id, err := w.repo.Commit(w.t.Context(), branch, "change "+strings.Join(slices.Sorted(maps.Keys(content)), ", "), expanded)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// create creates manifests.
func (w *world) create(manifests string) {
	w.t.Helper()
	if _, err := w.Create(w.t.Context(), w.expand(manifests)); err != nil {
		w.t.Fatal(err)
	}
}

// source creates a GitRepository of main. Spec is more of it, as lines of YAML,
// which may replace the url.
func (w *world) source(name string, spec ...string) {
	w.t.Helper()
	text := strings.Join(spec, "\n")
	if !strings.Contains(text, "url:") {
		text += "\nurl: " + gits.RepoURL(w.repo)
	}
	if !strings.Contains(text, "ref:") {
		text += "\nref: {branch: main}"
	}
	if !strings.Contains(text, "interval:") {
		text += "\ninterval: 10m"
	}
	w.create(w.manifest("source.toolkit.fluxcd.io/v1", "GitRepository", name, text))
}

// kustomization creates a Kustomization of the source "repo" that prunes and
// looks at the given path. Spec is more of it, as lines of YAML.
func (w *world) kustomization(name, path string, spec ...string) {
	w.t.Helper()
	w.create(w.kustomizationManifest(name, path, spec...))
}

func (w *world) kustomizationManifest(name, path string, spec ...string) string {
	text := strings.Join(spec, "\n") + "\npath: " + path
	for field, standard := range map[string]string{
		"interval:": "10m", "prune:": "true", "sourceRef:": "{kind: GitRepository, name: repo}",
	} {
		if !strings.Contains(text, field) {
			text += "\n" + field + " " + standard
		}
	}
	return w.manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, text)
}

func (w *world) manifest(apiVersion, kind, name, spec string) string {
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: NS, labels: %s}\nspec:\n%s\n",
		apiVersion, kind, name, w.labels, indent(spec))
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// wait waits until an object of this world is as is says, and returns it.
func (w *world) wait(gvr schema.GroupVersionResource, name string, is is) *unstructured.Unstructured {
	w.t.Helper()
	return w.waitFor(patience, gvr, name, is)
}

func (w *world) waitFor(long time.Duration, gvr schema.GroupVersionResource, name string, is is) *unstructured.Unstructured {
	w.t.Helper()
	namespace := w.namespace
	if clustered(gvr) {
		namespace = ""
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), long)
	defer cancel()
	obj, err := w.Wait(ctx, gvr, namespace, name, is)
	if err != nil {
		w.t.Fatal(err)
	}
	return obj
}

var secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// secret creates a Secret whose changes are noticed.
func (w *world) secret(name string, data map[string]string) {
	w.t.Helper()
	lines := ""
	for key, value := range data {
		lines += fmt.Sprintf("  %s: %q\n", key, value)
	}
	// Not by create, which would find NS in a key.
	text := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s, labels: {reconcile.fluxcd.io/watch: Enabled}}\nstringData:\n%s", name, w.namespace, lines)
	if _, err := w.Create(w.t.Context(), text); err != nil {
		w.t.Fatal(err)
	}
}

var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func clustered(gvr schema.GroupVersionResource) bool {
	return gvr == harness.Namespaces || gvr == crds
}

// ready waits until Kustomizations are ready and returns the last.
func (w *world) ready(names ...string) *unstructured.Unstructured {
	w.t.Helper()
	var obj *unstructured.Unstructured
	for _, name := range names {
		obj = w.wait(harness.Kustomized, name, harness.Ready)
	}
	return obj
}

// applied waits until a Kustomization is ready at a commit.
func (w *world) applied(name, commit string) *unstructured.Unstructured {
	w.t.Helper()
	return w.wait(harness.Kustomized, name, func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && field(obj, "status", "lastAppliedRevision") == "main@sha1:"+commit
	})
}

// get returns an object of this world, nil if there is none.
func (w *world) get(gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	w.t.Helper()
	return w.wait(gvr, name, func(*unstructured.Unstructured) bool { return true })
}

// patch merges a change into an object as kubectl edit would.
func (w *world) patch(gvr schema.GroupVersionResource, name string, change map[string]any) *unstructured.Unstructured {
	w.t.Helper()
	obj, err := w.Patch(w.t.Context(), gvr, w.namespace, name, change)
	if err != nil {
		w.t.Fatal(err)
	}
	return obj
}

func (w *world) delete(gvr schema.GroupVersionResource, name string) {
	w.t.Helper()
	if err := w.Delete(w.t.Context(), gvr, w.namespace, name); err != nil {
		w.t.Fatal(err)
	}
}

// request asks for a reconcile of an object, as "flux reconcile" does, and
// returns what it will say once that is done.
func (w *world) request(gvr schema.GroupVersionResource, name string) string {
	w.t.Helper()
	at := time.Now().Format(time.RFC3339Nano)
	w.patch(gvr, name, map[string]any{"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: at}}})
	return at
}

// reconciled asks for a reconcile of an object and waits until it was handled.
func (w *world) reconciled(gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	w.t.Helper()
	return w.wait(gvr, name, harness.Field(w.request(gvr, name), "status", "lastHandledReconcileAt"))
}

// kubectl runs kubectl in the namespace and returns what it printed.
func (w *world) kubectl(args ...string) string {
	w.t.Helper()
	out, err := w.Kubectl(w.t.Context(), append([]string{"-n", w.namespace}, args...)...)
	if err != nil {
		w.t.Fatal(err, out)
	}
	return strings.TrimSpace(out)
}

// mark returns the place in the audit log where it ends now.
func (w *world) mark() controlplane.AuditMark {
	w.t.Helper()
	mark, err := w.MarkAudit()
	if err != nil {
		w.t.Fatal(err)
	}
	return mark
}

// requests returns the requests of fluxd since a mark that concern the namespace,
// as "verb resource name", without watches.
func (w *world) requests(since controlplane.AuditMark) []string {
	w.t.Helper()
	all, err := w.AuditEvents(since, controlplane.FluxdUser)
	if err != nil {
		w.t.Fatal(err)
	}
	var found []string
	for _, e := range all {
		if e.Namespace == w.namespace && e.Request.Verb != "watch" {
			found = append(found, e.Request.String()+" "+e.Name)
		}
	}
	return found
}

// writes returns the requests of fluxd since a mark that write to the namespace.
func (w *world) writes(since controlplane.AuditMark) []string {
	w.t.Helper()
	return slices.DeleteFunc(w.requests(since), func(r string) bool {
		verb := strings.Fields(r)[1]
		return verb == "get" || verb == "list" || strings.HasPrefix(r, "events ")
	})
}

// inventory returns the ids in the inventory of a Kustomization, sorted, with the
// namespace as NS.
func (w *world) inventory(obj *unstructured.Unstructured) []string {
	entries, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
	var ids []string
	for _, e := range entries {
		id, _, _ := unstructured.NestedString(e.(map[string]any), "id")
		ids = append(ids, strings.Replace(id, w.namespace, "NS", 1))
	}
	slices.Sort(ids)
	return ids
}

// stalled says whether an object is stalled for a reason.
func stalled(reason string) is {
	return func(obj *unstructured.Unstructured) bool {
		ready, _ := condition(obj, "Ready")
		stalled, _ := condition(obj, "Stalled")
		return ready == "False/"+reason && stalled == "True/"+reason
	}
}

// data says whether a ConfigMap holds a value.
func data(key, value string) is { return harness.Field(value, "data", key) }

// configMap is a manifest with one key.
func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: NS}\ndata: {key: %q}\n", name, value)
}

// annotated is a ConfigMap with one key and annotations, as a YAML mapping without
// its braces.
func annotated(name, value, annotations string) string {
	return strings.Replace(configMap(name, value), "namespace: NS", "namespace: NS, annotations: {"+annotations+"}", 1)
}

// terminating says whether an object is about to go.
func terminating(obj *unstructured.Unstructured) bool {
	return obj != nil && obj.GetDeletionTimestamp() != nil
}

// deployment is a manifest whose Pods behave as the annotations say.
func deployment(name, annotations string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: NS}
spec:
  replicas: 1
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {%[2]s}}
    spec: {containers: [{name: main, image: example.com/web:1}]}
`, name, annotations)
}
