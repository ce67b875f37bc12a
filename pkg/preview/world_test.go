package preview

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// cluster are objects by kind/namespace/name, and what plugins would do with them.
type cluster struct {
	t       *testing.T
	objects map[string]metav1.Object
	// applies are the objects that a Kustomization would apply, by its name.
	applies map[string][]forecast.Object
	// refused is what the source plugin fails with, by revision.
	refused map[string]error
	asked   []string // in order
	freed   int
	world   World
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, objects: map[string]metav1.Object{}, applies: map[string][]forecast.Object{}, refused: map[string]error{}}
	c.repository("repo", "main@sha1:"+strings.Repeat("a", 40))
	c.kustomization("app", "repo", "main@sha1:"+strings.Repeat("a", 40))
	return c
}

func (c *cluster) repository(name, revision string) *sourcev1.GitRepository {
	r := &sourcev1.GitRepository{}
	r.Namespace, r.Name = "apps", name
	if revision != "" {
		r.Status.Artifact = &api.Artifact{Revision: revision, Digest: "sha256:none"}
	}
	c.objects["GitRepository/apps/"+name] = r
	return r
}

func (c *cluster) kustomization(name, source, applied string) *v1.Kustomization {
	k := &v1.Kustomization{}
	k.Namespace, k.Name = "apps", name
	k.Spec.SourceRef = v1.CrossNamespaceSourceReference{Kind: api.GitRepositoryKind, Name: source}
	k.Status.LastAppliedRevision = applied
	c.objects["Kustomization/apps/"+name] = k
	return k
}

// Get implements [Live].
func (c *cluster) Get(_ context.Context, kind schema.GroupKind, namespace, name string) (metav1.Object, error) {
	obj, ok := c.objects[kind.Kind+"/"+namespace+"/"+name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: kind.Kind}, name)
	}
	return obj, nil
}

// Typed implements [Live].
func (c *cluster) Typed(obj *unstructured.Unstructured) (metav1.Object, error) {
	typed := map[string]metav1.Object{"Kustomization": &v1.Kustomization{}, "GitRepository": &sourcev1.GitRepository{}}[obj.GetKind()]
	if typed == nil {
		return nil, errors.New("another kind")
	}
	return typed, runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, typed)
}

// Secret implements [Configs].
func (c *cluster) Secret(_ context.Context, _, name string) (map[string][]byte, string, error) {
	return map[string][]byte{"from": []byte("the cluster")}, "Opaque", nil
}

// ConfigMap implements [Configs].
func (c *cluster) ConfigMap(context.Context, string, string) (map[string]string, error) {
	return map[string]string{"from": "the cluster"}, nil
}

func (c *cluster) plugins(w World) ([]reconcilers.Plugin, func()) {
	c.world = w
	return []reconcilers.Plugin{
		reconcilers.For(api.KustomizationGVK, applier{c}, reconcilers.Options{}),
		reconcilers.For(api.GitRepositoryGVK, fetcher{c}, reconcilers.Options{}),
	}, func() { c.freed++ }
}

// fetcher makes a tree of one file that says which revision it is of.
type fetcher struct{ *cluster }

func (fetcher) References(*sourcev1.GitRepository) []reconcilers.Ref    { return nil }
func (fetcher) Finalize(context.Context, *sourcev1.GitRepository) error { return nil }
func (f fetcher) Reconcile(_ context.Context, r *sourcev1.GitRepository) (reconcilers.Result, error) {
	revision := "main@sha1:" + strings.Repeat("b", 40) // what is new
	if ref := r.Spec.Reference; ref != nil {
		revision = strings.TrimPrefix(fmt.Sprintf("%s@sha1:%s", ref.Branch+ref.Tag+ref.Name, ref.Commit), "@")
	}
	if r.Spec.Suspend {
		revision = r.Status.Artifact.Revision
	}
	f.asked = append(f.asked, "fetch "+r.Name+" "+revision)
	if err := f.refused[revision]; err != nil {
		return reconcilers.Result{}, err
	}
	b := f.world.Store.NewBuilder(artifacts.Limits{})
	if err := b.AddFile("revision", 0o644, []byte(revision)); err != nil {
		return reconcilers.Result{}, err
	}
	tree, _, err := b.Build()
	if err != nil {
		return reconcilers.Result{}, err
	}
	if r.Spec.Suspend && r.Status.Artifact.Digest != tree.Digest() {
		return reconcilers.Result{}, errors.New("it cannot be restored")
	}
	stored, err := f.world.Store.Put(artifacts.Owner{Kind: "GitRepository", Namespace: r.Namespace, Name: r.Name}, revision, tree, nil)
	r.Status.Artifact = &api.Artifact{Revision: revision, Digest: stored.Digest}
	return reconcilers.Result{}, err
}

// applier applies what the cluster says.
type applier struct{ *cluster }

func (applier) References(*v1.Kustomization) []reconcilers.Ref { return nil }
func (applier) Reconcile(context.Context, *v1.Kustomization) (reconcilers.Result, error) {
	return reconcilers.Result{}, errors.New("a preview reconciles")
}
func (applier) Finalize(context.Context, *v1.Kustomization) error {
	return errors.New("a preview finalizes")
}
func (a applier) Preview(ctx context.Context, k *v1.Kustomization, q reconcilers.Question) (forecast.Owner, error) {
	o := forecast.Owner{Kind: "Kustomization", Namespace: k.Namespace, Name: k.Name, Current: k.Status.LastAppliedRevision, Remote: k.Spec.KubeConfig != nil}
	if q.Deleted {
		a.asked = append(a.asked, "end of "+k.Name)
		o.Objects = a.applies[k.Name]
		return o, nil
	}
	ref := reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), k.Namespace, k.Spec.SourceRef.Name)
	next, now, err := q.Source(ctx, ref, k.Status.LastAppliedRevision)
	if err != nil {
		return o, err
	}
	line := "look at " + k.Name + " " + readTree(next)
	if now != nil {
		line += " after " + readTree(*now)
	}
	config, err := a.world.Configs.ConfigMap(ctx, "apps", "vars")
	if err != nil {
		return o, err
	}
	was, err := a.world.Configs.ConfigMap(q.Present(ctx), "apps", "vars")
	if err != nil {
		return o, err
	}
	a.asked = append(a.asked, line+", variables from "+config["from"]+" after "+was["from"])
	o.Revision, o.Objects = next.Artifact.Revision, a.applies[k.Name]
	return o, nil
}

// readTree returns the content of the one file.
func readTree(c reconcilers.Content) string {
	content, err := c.Tree.ReadFile("revision")
	if err != nil {
		return "nothing"
	}
	return string(content)
}

func (c *cluster) previews(change ...func(*Config)) *Previews {
	cfg := Config{Live: c, Configs: c, Plugins: c.plugins, Budget: 1 << 20}
	for _, f := range change {
		f(&cfg)
	}
	return New(cfg)
}

func (c *cluster) run(r Request, change ...func(*Config)) (*Report, error) {
	c.t.Helper()
	c.asked = nil
	r.Kind, r.Namespace = api.KustomizationGVK.GroupKind(), "apps"
	if r.Name == "" {
		r.Name = "app"
	}
	return c.previews(change...).Run(c.t.Context(), r)
}

func (c *cluster) must(r Request, change ...func(*Config)) *Report {
	c.t.Helper()
	report, err := c.run(r, change...)
	if err != nil {
		c.t.Fatal(err)
	}
	return report
}

func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

// made returns a forecast whose result is an object of the content.
func made(action forecast.Action, kind, name string, content map[string]any) forecast.Object {
	o := forecast.Object{Version: "v1", Kind: kind, Namespace: "apps", Name: name, Action: action}
	switch kind {
	case "Kustomization":
		o.Group = api.KustomizeGroup
	case "GitRepository":
		o.Group = api.SourceGroup
	}
	object := map[string]any{"apiVersion": strings.TrimPrefix(o.Group+"/v1", "/"), "kind": kind, "metadata": map[string]any{"name": name, "namespace": "apps"}}
	for key, value := range content {
		object[key] = value
	}
	o.Result = &unstructured.Unstructured{Object: object}
	return o
}
