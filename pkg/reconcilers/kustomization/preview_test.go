package kustomization

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// content returns a tree that is not the artifact of the source.
func (w *world) content(revision string, files map[string]string) *reconcilers.Content {
	w.t.Helper()
	b := w.store.NewBuilder(artifacts.Limits{})
	for name, text := range files {
		if err := b.AddFile(name, 0o644, []byte(text)); err != nil {
			w.t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		w.t.Fatal(err)
	}
	return &reconcilers.Content{Artifact: api.Artifact{Revision: revision, Digest: tree.Digest()}, Tree: tree}
}

// preview asks what the object would do with a content.
func (w *world) preview(q reconcilers.Question, next, now *reconcilers.Content) (forecast.Owner, error) {
	w.t.Helper()
	q.Present = func(ctx context.Context) context.Context { return ctx }
	q.Source = func(_ context.Context, source reconcilers.Ref, _ string) (reconcilers.Content, *reconcilers.Content, error) {
		w.want("source", source.String(), "GitRepository/flux-system/repo")
		return *next, now, nil
	}
	before := w.ks.DeepCopy()
	o, err := w.r.Preview(w.t.Context(), before, q)
	w.want("spec", before.Spec, w.ks.Spec)
	w.want("writes", w.writes(), []string(nil))
	w.want("facts", w.told(), []string(nil))
	return o, err
}

// lines returns a forecast, one line an object.
func lines(o forecast.Owner) []string {
	var all []string
	for _, obj := range o.Objects {
		all = append(all, strings.TrimSuffix(obj.String()+" "+string(obj.Action)+": "+obj.Message, ": "))
	}
	return all
}

// applied returns a world whose Kustomization has applied its source.
func applied(t *testing.T) *world {
	w := newWorld(t)
	w.must()
	w.writes()
	w.told()
	return w
}

func next() map[string]string {
	return map[string]string{"app/a.json": object("ConfigMap", "a", "2"), "app/c.json": object("ConfigMap", "c", "1")}
}

// A preview plans as a run would, and what is applied now as well; it leaves the world
// as it is.
func TestPreview(t *testing.T) {
	w := applied(t)
	now := w.content("r1", map[string]string{"app/a.json": object("ConfigMap", "a", "1"), "app/b.json": object("ConfigMap", "b", "1")})
	w.cluster.requests = nil
	o, err := w.preview(reconcilers.Question{}, w.content("r2", next()), now)
	if err != nil {
		t.Fatal(err)
	}
	w.want("objects", lines(o), []string{"ConfigMap/apps/a configured", "ConfigMap/apps/c created", "ConfigMap/apps/b deleted"})
	w.want("revisions", []string{o.Current, o.Revision}, []string{"r1", "r2"})
	w.want("notes", o.Notes, []string(nil))
	f := w.cluster.foresights[0]
	if len(w.cluster.requests) != 2 || w.cluster.desired[f.Current] == nil || len(w.cluster.requests[1].Inventory) != 2 {
		t.Errorf("planned %v", w.cluster.requests)
	}

	push := func(files map[string]string) { w.push("r2", files) }
	push(next())
	w.must()
	w.want("what a run does", w.writes(), []string{"ConfigMap/apps/a configured", "ConfigMap/apps/c created", "ConfigMap/apps/b deleted"})
}

// What is applied now is what the object as it is would build, although it would change.
func TestPreviewOfAnObjectThatChanges(t *testing.T) {
	w := applied(t)
	before := w.ks.DeepCopy()
	w.ks.Spec.CommonMetadata = &api.CommonMetadata{Labels: map[string]string{"a": "b"}}
	if _, err := w.preview(reconcilers.Question{Before: before}, w.content("r2", next()), w.content("r1", next())); err != nil {
		t.Fatal(err)
	}
	requests := w.cluster.requests[len(w.cluster.requests)-2:]
	if len(requests[0].CommonLabels) > 0 || len(requests[1].CommonLabels) == 0 {
		t.Errorf("planned %v", requests)
	}
	other := w.ks.DeepCopy()
	other.Spec.SourceRef.Name = "another"
	o, err := w.preview(reconcilers.Question{Before: other}, w.content("r2", next()), w.content("r1", next()))
	w.want("error", err, error(nil))
	w.want("notes", o.Notes, []string{"drift is not told from change, since the source is another one"})
}

// Without what is applied now there is a preview nonetheless.
func TestPreviewWithoutThePresent(t *testing.T) {
	for name, c := range map[string]struct {
		now  map[string]string
		says string
	}{
		"gone":   {nil, "drift is not told from change, since the revision r1 cannot be had any more"},
		"broken": {map[string]string{"app/a.json": "broken"}, "drift is not told from change, since the revision r1 that is applied now does not build any more: kustomize build failed: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			w := applied(t)
			var now *reconcilers.Content
			if c.now != nil {
				now = w.content("r1", c.now)
			}
			o, err := w.preview(reconcilers.Question{}, w.content("r2", next()), now)
			if err != nil {
				t.Fatal(err)
			}
			w.want("notes", o.Notes, []string{c.says})
			w.want("objects", len(o.Objects), 3)
		})
	}
}

// What a run would not delete is not foretold to be.
func TestPreviewOfPruning(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1.Kustomization)
		says   string
		note   string
	}{
		"without prune": {func(k *v1.Kustomization) { k.Spec.Prune = false }, "ConfigMap/apps/b skipped: spec.prune is false: it stays and is forgotten", ""},
		"over budget": {func(k *v1.Kustomization) { k.Annotations = map[string]string{api.AnnotationPruneBudget: "0"} },
			"ConfigMap/apps/b skipped: PruneBudgetExceeded", "PruneBudgetExceeded: revision r2 deletes 1 of 3 objects"},
		"approved": {func(k *v1.Kustomization) {
			k.Annotations = map[string]string{api.AnnotationPruneBudget: "0", api.AnnotationApprovePrune: "r2"}
		}, "ConfigMap/apps/b deleted", ""},
		"suspended": {func(k *v1.Kustomization) { k.Spec.Suspend = true }, "ConfigMap/apps/b deleted", "spec.suspend is true"},
	} {
		t.Run(name, func(t *testing.T) {
			w := applied(t)
			c.change(w.ks)
			o, err := w.preview(reconcilers.Question{}, w.content("r2", next()), w.content("r1", next()))
			if err != nil {
				t.Fatal(err)
			}
			w.want("the last line", lines(o)[2], c.says)
			if notes := strings.Join(o.Notes, "\n"); (c.note == "") != (notes == "") || !strings.HasPrefix(notes, c.note) {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
}

// The end of an object, as finalize would have it.
func TestPreviewOfTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		want   []string
	}{
		"prunes":             {func(*world) {}, []string{"ConfigMap/apps/a deleted", "ConfigMap/apps/b deleted"}},
		"one is protected":   {func(w *world) { w.cluster.protected["ConfigMap/apps/a"] = true }, []string{"ConfigMap/apps/a skipped", "ConfigMap/apps/b deleted"}},
		"orphans":            {func(w *world) { w.ks.Spec.DeletionPolicy = v1.DeletionPolicyOrphan }, stays("it stays: spec.deletionPolicy is Orphan and spec.prune is true")},
		"was let go":         {func(w *world) { w.ks.Finalizers = nil }, stays("it stays: the finalizer of fluxd is gone")},
		"without an account": {func(w *world) { w.cluster.lost = true }, stays("it stays: the service account that may delete it is gone")},
	} {
		t.Run(name, func(t *testing.T) {
			w := applied(t)
			c.change(w)
			o, err := w.preview(reconcilers.Question{Deleted: true}, nil, nil)
			w.want("error", err, error(nil))
			w.want("objects", lines(o), c.want)
		})
	}
}

func stays(why string) []string {
	return []string{"ConfigMap/apps/a skipped: " + why, "ConfigMap/apps/b skipped: " + why}
}

// What a run fails with, a preview fails with.
func TestPreviewFailsAsARunDoes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		says   string
	}{
		"another namespace": {func(w *world) { w.r.options.NoCrossNamespaceRefs, w.ks.Spec.SourceRef.Namespace = true, "other" }, "cross-namespace references have been blocked"},
		"a bad budget":      {func(w *world) { w.ks.Annotations = map[string]string{api.AnnotationPruneBudget: "many"} }, "a budget is a count"},
		"no such variable": {func(w *world) {
			w.ks.Spec.PostBuild = &v1.PostBuild{SubstituteFrom: []v1.SubstituteReference{{Kind: "ConfigMap", Name: "vars"}}}
		}, "substitute from 'ConfigMap/vars' error"},
		"nobody applies": {func(w *world) { w.cluster.absent = errors.New("away") }, "failed to build kube client: away"},
		"no such path":   {func(w *world) { w.ks.Spec.Path = "./nowhere" }, "kustomization path not found"},
	} {
		t.Run(name, func(t *testing.T) {
			w := applied(t)
			c.change(w)
			_, err := w.preview(reconcilers.Question{}, w.content("r2", next()), nil)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %s", err, c.says)
			}
		})
	}
}
