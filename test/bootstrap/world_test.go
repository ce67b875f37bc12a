package bootstrap

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
)

const (
	namespace = "flux-system"
	// patience is how long a test waits for something that should be soon. The machine
	// may be busy with other things.
	patience = 90 * time.Second
	// edge is the folder of the cluster in the repositories.
	edge = "clusters/edge"
)

var (
	getOptions  = metav1.GetOptions{}
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// files are those of a commit by name.
type files map[string]string

// world is a repository and a cluster without fluxd.
type world struct {
	t    *testing.T
	repo *gittest.Repo
	env  []string
}

// newWorld returns a world with a repository that has the given files on main, and none
// if there are none.
func newWorld(t *testing.T, content files) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	name := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	if w.repo, err = gittest.NewRepo(t.Context(), gits.Root, name); err != nil {
		t.Fatal(err)
	}
	if len(content) > 0 {
		w.commit(content)
	}
	t.Cleanup(w.clean)
	return w
}

// clean takes fluxd off the cluster.
func (w *world) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if out, err := w.try(ctx, "uninstall", "--silent"); err != nil {
		w.t.Errorf("uninstall: %v\n%s", err, out)
	}
}

func (w *world) commit(content files) string {
	w.t.Helper()
	id, err := w.repo.Commit(w.t.Context(), "main", "change things", content)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// head returns the commit of main.
func (w *world) head() string {
	w.t.Helper()
	id, err := w.repo.Head(w.t.Context(), "main")
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// file returns a file of main.
func (w *world) file(name string) string {
	w.t.Helper()
	text, err := w.repo.Git(w.t.Context(), "show", "main:"+name)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// try runs fluxd as a person would and returns all that it says.
func (w *world) try(ctx context.Context, args ...string) (string, error) {
	return w.tryAs(ctx, cluster.Kubeconfig(), args...)
}

func (w *world) tryAs(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+w.t.TempDir(), "SSH_AUTH_SOCK="), w.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// fluxd runs fluxd, which must succeed.
func (w *world) fluxd(args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	out, err := w.try(ctx, args...)
	if err != nil {
		w.t.Fatalf("fluxd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// refused runs fluxd, which must fail, and say all of these parts.
func (w *world) refused(args []string, parts ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	out, err := w.try(ctx, args...)
	if err == nil {
		w.t.Fatalf("fluxd %s: it did not fail\n%s", strings.Join(args, " "), out)
	}
	contains(w.t, out, parts...)
	return out
}

// overHTTP are the arguments to bootstrap from the repository over HTTP.
func (w *world) overHTTP(more ...string) []string {
	return append([]string{"bootstrap", "git", "--url=" + gits.RepoURL(w.repo), "--allow-insecure-http", "--path=" + edge}, more...)
}

func (w *world) get(gvr schema.GroupVersionResource, in, name string) *unstructured.Unstructured {
	w.t.Helper()
	list, err := cluster.Dynamic.Resource(gvr).Namespace(in).List(w.t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil || len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// wait waits until an object in the namespace of fluxd is as wanted.
func (w *world) wait(gvr schema.GroupVersionResource, in, name string, is func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	obj, err := cluster.Wait(ctx, gvr, in, name, is)
	if err != nil {
		w.t.Fatal(err)
	}
	return obj
}

// applied waits until the cluster has applied a commit of main.
func (w *world) applied(commit string) {
	w.t.Helper()
	w.wait(harness.Kustomized, namespace, namespace, func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && text(obj, "status", "lastAppliedRevision") == "main@sha1:"+commit
	})
}

// request asks for a look at the source.
func (w *world) request() {
	w.t.Helper()
	_, err := cluster.Patch(w.t.Context(), harness.Sources, namespace, namespace, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"reconcile.fluxcd.io/requestedAt": time.Now().String()}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func text(obj *unstructured.Unstructured, path ...string) string {
	if obj == nil {
		return ""
	}
	s, _, _ := unstructured.NestedString(obj.Object, path...)
	return s
}

func equal(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// configMap is a manifest with one key.
func configMap(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: default}\ndata: {key: \"" + value + "\"}\n"
}
