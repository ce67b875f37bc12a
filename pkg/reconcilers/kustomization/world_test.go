package kustomization

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// cluster is an applier that behaves as far as the plugin can tell: what it is given
// it keeps, and health is what a test says.
type cluster struct {
	objects map[apply.Entry]string // by entry without version: content
	// health of what is not Current.
	health map[string]status.Status // by subject
	// refuse fails the apply of a subject, keep its deletion.
	refuse, keep map[string]error
	// gates are subjects that must be healthy before the rest is applied.
	gates map[string]bool
	// protected are subjects that are skipped; terminating ones stay after a delete.
	protected, terminating map[string]bool
	recheck                time.Duration
	desired                map[*apply.Plan][]*unstructured.Unstructured
	log                    []string
	requests               []apply.Request
	foresights             []apply.Foresight
	forgotten              int
	needed                 apply.Inventory // that Ready was asked about last
	// identities are who applied, absent the error of who could not, lost that there
	// is no such account.
	identities []clusters.Identity
	absent     error
	lost       bool
}

func newCluster() *cluster {
	return &cluster{
		objects: map[apply.Entry]string{}, health: map[string]status.Status{}, refuse: map[string]error{},
		keep: map[string]error{}, gates: map[string]bool{}, protected: map[string]bool{}, terminating: map[string]bool{},
		desired: map[*apply.Plan][]*unstructured.Unstructured{},
	}
}

func bare(e apply.Entry) apply.Entry { e.Version = ""; return e }

func (c *cluster) Plan(ctx context.Context, r apply.Request) (*apply.Plan, error) {
	c.requests = append(c.requests, r)
	p := &apply.Plan{Owner: r.Owner}
	for _, obj := range r.Objects {
		p.Inventory = append(p.Inventory, apply.EntryOf(obj))
	}
	p.Additions, p.Stale = p.Inventory.Without(r.Inventory), r.Inventory.Without(p.Inventory)
	c.desired[p] = r.Objects
	return p, ctx.Err()
}

func (c *cluster) Apply(ctx context.Context, p *apply.Plan) (apply.Outcome, error) {
	out := apply.Outcome{Inventory: p.Inventory, Recheck: c.recheck}
	for _, obj := range c.desired[p] {
		e := apply.EntryOf(obj)
		change := apply.Change{Entry: e, Action: apply.Unchanged}
		content, err := obj.MarshalJSON()
		old, exists := c.objects[bare(e)]
		switch {
		case err != nil:
			return out, err
		case c.refuse[e.String()] != nil:
			return out, c.refuse[e.String()]
		case c.protected[e.String()]:
			change.Action = apply.Skipped
		case !exists:
			change.Action = apply.Created
		case old != string(content):
			change.Action = apply.Configured
		}
		if change.Action == apply.Created || change.Action == apply.Configured {
			c.objects[bare(e)] = string(content)
			c.log = append(c.log, change.String())
		}
		out.Changes = append(out.Changes, change)
		if c.gates[e.String()] && c.health[e.String()] != "" {
			out.Waiting = apply.Inventory{e}
			return out, ctx.Err()
		}
	}
	return out, ctx.Err()
}

func (c *cluster) Doomed(ctx context.Context, _ apply.Owner, stale apply.Inventory) (apply.Inventory, error) {
	var doomed apply.Inventory
	for _, e := range stale {
		if _, here := c.objects[bare(e)]; here && !c.protected[e.String()] {
			doomed = append(doomed, e)
		}
	}
	return doomed, ctx.Err()
}

// Forecast says what Apply would do, by the same rules.
func (c *cluster) Forecast(ctx context.Context, f apply.Foresight) ([]forecast.Object, error) {
	c.foresights = append(c.foresights, f)
	var objects []forecast.Object
	for _, obj := range c.desired[f.Plan] {
		e := apply.EntryOf(obj)
		content, err := obj.MarshalJSON()
		if err != nil {
			return nil, err
		}
		o := forecast.Object{Kind: e.Kind, Namespace: e.Namespace, Name: e.Name, Action: forecast.Unchanged}
		switch old, exists := c.objects[bare(e)]; {
		case !exists:
			o.Action = forecast.Created
		case old != string(content):
			o.Action = forecast.Configured
		}
		objects = append(objects, o)
	}
	return objects, ctx.Err()
}

func (c *cluster) ForecastPrune(ctx context.Context, _ apply.Owner, stale apply.Inventory) ([]forecast.Object, error) {
	var objects []forecast.Object
	for _, e := range stale {
		o := forecast.Object{Kind: e.Kind, Namespace: e.Namespace, Name: e.Name, Action: forecast.Deleted}
		if c.protected[e.String()] {
			o.Action = forecast.Skipped
		}
		objects = append(objects, o)
	}
	return objects, ctx.Err()
}

func (c *cluster) Prune(ctx context.Context, _ apply.Owner, stale apply.Inventory) (apply.Changes, apply.Inventory, error) {
	var changes apply.Changes
	var left apply.Inventory
	var err error
	for _, e := range stale {
		switch {
		case c.keep[e.String()] != nil:
			left, err = append(left, e), c.keep[e.String()]
		case c.protected[e.String()]:
			changes = append(changes, apply.Change{Entry: e, Action: apply.Skipped})
		default:
			changes = append(changes, apply.Change{Entry: e, Action: apply.Deleted})
			if !c.terminating[e.String()] {
				delete(c.objects, bare(e))
			}
			c.log = append(c.log, e.String()+" deleted")
		}
	}
	return changes, left, errors.Join(err, ctx.Err())
}

func (c *cluster) Health(ctx context.Context, _ apply.Owner, entries apply.Inventory) (apply.Report, error) {
	r := apply.Report{Total: len(entries), Recheck: c.recheck}
	for _, e := range entries {
		if s := c.health[e.String()]; s != "" {
			r.Findings = append(r.Findings, apply.Finding{Entry: e, Status: s})
		}
	}
	return r, ctx.Err()
}

func (c *cluster) Ready(ctx context.Context, o apply.Owner, entries apply.Inventory) (apply.Report, error) {
	c.needed = entries
	return c.Health(ctx, o, entries)
}

func (c *cluster) Remaining(ctx context.Context, _ apply.Owner, entries apply.Inventory) (apply.Inventory, error) {
	var left apply.Inventory
	for _, e := range entries {
		if _, ok := c.objects[bare(e)]; ok {
			left = append(left, e)
		}
	}
	return left, ctx.Err()
}

// tenancy returns whoever applies as somebody on the cluster.
func (w *world) tenancy() tenancy {
	return tenancy{
		connect: func(_ context.Context, _ apply.Owner, id clusters.Identity) (applier, error) {
			w.cluster.identities = append(w.cluster.identities, id)
			return w.cluster, w.cluster.absent
		},
		missing: func(context.Context, apply.Owner, clusters.Identity) (bool, error) { return w.cluster.lost, nil },
		forget:  func(apply.Owner) { w.cluster.forgotten++ },
	}
}

// folder builds by taking the JSON files of a folder as they are.
type folder struct {
	builds   int
	prepared overlay // of the last build
}

// overlay is a tree with edits.
type overlay struct {
	render.Tree
	edits map[string][]byte
}

func (o overlay) ReadFile(p string) ([]byte, error) {
	if content, ok := o.edits[p]; ok {
		return content, nil
	}
	return fs.ReadFile(o.Tree, o.name(p))
}

func (o overlay) name(p string) string { return strings.TrimPrefix(p, "/artifact/") }

func (o overlay) WriteFile(p string, content []byte) error { o.edits[p] = content; return nil }

func (o overlay) Exists(p string) bool { _, err := fs.Stat(o.Tree, o.name(p)); return err == nil }

func (o overlay) IsDir(p string) bool {
	info, err := fs.Stat(o.Tree, o.name(p))
	return err == nil && info.IsDir()
}

func (f *folder) Build(_ context.Context, tree render.Tree, trace *render.Trace, o kustomize.Options) ([][]byte, error) {
	f.builds++
	if o.Prepare != nil {
		f.prepared = overlay{tree, map[string][]byte{}}
		if err := o.Prepare(context.Background(), f.prepared, "/artifact", path.Join("/artifact", o.Path)); err != nil {
			return nil, err
		}
	}
	dir := strings.TrimPrefix(path.Clean("/"+o.Path), "/")
	trace.Listing(tree, dir)
	entries, err := fs.ReadDir(tree, dir)
	if err != nil {
		return nil, err
	}
	var documents [][]byte
	for _, e := range entries {
		if path.Ext(e.Name()) != ".json" {
			continue
		}
		trace.Content(tree, path.Join(dir, e.Name()))
		document, err := fs.ReadFile(tree, path.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if string(document) == "broken" {
			return nil, errors.New("kustomize build failed: broken")
		}
		documents = append(documents, document)
	}
	return documents, nil
}

// configs are Secrets and ConfigMaps, by kind/namespace/name.
type configs struct {
	data  map[string]map[string]string
	reads int
	err   error
}

func (c *configs) read(ctx context.Context, kind, namespace, name string) (map[string]string, error) {
	c.reads++
	data, ok := c.data[kind+"/"+namespace+"/"+name]
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case c.err != nil:
		return nil, c.err
	case !ok:
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: strings.ToLower(kind) + "s"}, name)
	}
	return data, nil
}

func (c *configs) ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	return c.read(ctx, "ConfigMap", namespace, name)
}

func (c *configs) Secret(ctx context.Context, namespace, name string) (map[string][]byte, string, error) {
	text, err := c.read(ctx, "Secret", namespace, name)
	data := make(map[string][]byte, len(text))
	for k, v := range text {
		data[k] = []byte(v)
	}
	return data, "Opaque", err
}

// world is one Kustomization, its source, and a cluster.
type world struct {
	t       *testing.T
	r       *reconciler
	cluster *cluster
	folder  *folder
	configs *configs
	store   *artifacts.Store
	objects map[reconcilers.Ref]api.Object
	// foreign is the only ExternalArtifact, if there is one.
	foreign *sourcev1.ExternalArtifact
	ks      *v1.Kustomization
	facts   []string
	// saved counts the status writes, runs the runs of the reconciler.
	saved, runs int
}

func (w *world) Get(kind schema.GroupKind, namespace, name string) (api.Object, bool) {
	obj, ok := w.objects[reconcilers.NewRef(kind, namespace, name)]
	return obj, ok
}

func (w *world) SourceOf(kind schema.GroupKind, namespace, name string) (api.Source, bool) {
	ref := reconcilers.NewRef(kind, namespace, name)
	if w.foreign != nil && ref.Kind == api.ExternalArtifactKind {
		return w.foreign, true
	}
	source, ok := w.objects[ref].(api.Source)
	return source, ok
}

func (w *world) Publish(f events.Fact) {
	w.facts = append(w.facts, fmt.Sprintf("%s %s: %s", f.Severity, f.Reason, f.Message))
}

func object(kind, name, value string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","data":{"k":%q},"kind":%q,"metadata":{"name":%q,"namespace":"apps"}}`, value, kind, name)
}

// newWorld returns a world with a Kustomization of the folder app with two objects.
func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cluster: newCluster(), folder: &folder{}, configs: &configs{data: map[string]map[string]string{}}, store: store, objects: map[reconcilers.Ref]api.Object{}}
	w.r = &reconciler{
		store: store, builder: w.folder, builds: render.NewCache(0, nil), tenancy: w.tenancy(), objects: w, configs: w.configs, bus: w,
		options: Options{RequeueDependency: 30 * time.Second, StrictSubstitution: true}, resyncs: consumer.NewResyncs(time.Hour), judges: consumer.NewJudges(apply.NewRules),
	}
	w.ks = &v1.Kustomization{}
	w.ks.Namespace, w.ks.Name, w.ks.Generation, w.ks.Finalizers = "flux-system", "app", 1, []string{api.Finalizer}
	w.ks.Spec.SourceRef = v1.CrossNamespaceSourceReference{Kind: api.GitRepositoryKind, Name: "repo"}
	w.ks.Spec.Path, w.ks.Spec.Prune = "./app", true
	w.ks.Spec.Interval.Duration = 10 * time.Minute
	w.ks.Status.ObservedGeneration = -1
	w.push("r1", map[string]string{"app/a.json": object("ConfigMap", "a", "1"), "app/b.json": object("ConfigMap", "b", "1"), "x": "1"})
	return w
}

// push makes files the artifact of the source.
func (w *world) push(revision string, files map[string]string) {
	w.t.Helper()
	b := w.store.NewBuilder(artifacts.Limits{})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := b.AddFile(name, 0o644, []byte(files[name])); err != nil {
			w.t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(revision, tree)
}

// publish makes a tree the artifact of the source.
func (w *world) publish(revision string, tree *artifacts.Tree) {
	w.t.Helper()
	owner := artifacts.Owner{Kind: api.GitRepositoryKind, Namespace: "flux-system", Name: "repo"}
	stored, err := w.store.Put(owner, revision, tree, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	repo := &sourcev1.GitRepository{}
	repo.Namespace, repo.Name = "flux-system", "repo"
	repo.Status.Artifact = &api.Artifact{Revision: revision, Digest: stored.Digest}
	w.objects[reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), "flux-system", "repo")] = repo
}

// once runs the object once, as the engine does, and returns how that ended.
func (w *world) once() (reconcilers.Result, error) {
	w.t.Helper()
	work := w.ks.DeepCopy()
	result, err := w.r.Reconcile(context.Background(), work)
	w.runs++
	if diff := cmp.Diff(w.ks.Spec, work.Spec); diff != "" {
		w.t.Errorf("the spec was changed: %s", diff)
	}
	w.settle(work, result, err)
	if !cmp.Equal(w.ks.Status, work.Status) {
		w.saved++
	}
	w.ks = work
	return result, err
}

// settle is what the engine makes of an ending, as far as plugins can see it.
func (w *world) settle(obj *v1.Kustomization, result reconcilers.Result, err error) {
	set := func(kind string, is metav1.ConditionStatus, reason, message string) {
		obj.Status.Conditions = conditions.Set(obj.Status.Conditions, metav1.Condition{
			Type: kind, Status: is, Reason: reason, Message: message, ObservedGeneration: obj.Generation,
		}, time.Now())
	}
	waiting, isWaiting := errors.AsType[*fault.WaitingError](err)
	switch {
	case err == nil && result.Again:
		set(api.ConditionReconciling, metav1.ConditionTrue, api.ReasonProgressing, result.Progress)
		return
	case err == nil:
		set(api.ConditionReady, metav1.ConditionTrue, result.Reason, result.Message)
		obj.Status.Conditions = conditions.Delete(obj.Status.Conditions, api.ConditionReconciling, api.ConditionStalled)
		obj.Status.ObservedGeneration = obj.Generation
	case isWaiting && waiting.KeepReady:
	case isWaiting && waiting.Reason == api.ReasonProgressing:
		set(api.ConditionReady, metav1.ConditionUnknown, waiting.Reason, err.Error())
	default:
		set(api.ConditionReady, metav1.ConditionFalse, fault.Reason(err, api.ReasonReconciliationFailed), err.Error())
	}
	if request := obj.Annotations[api.AnnotationReconcileRequest]; request != "" {
		obj.Status.LastHandledReconcileAt = request
	}
}

// run runs the object until it does not ask to be run again.
func (w *world) run() (reconcilers.Result, error) {
	w.t.Helper()
	for range 3 {
		if result, err := w.once(); err != nil || !result.Again {
			return result, err
		}
	}
	w.t.Fatal("it runs again and again")
	return reconcilers.Result{}, nil
}

// pass lets time go by.
func (w *world) pass(d time.Duration) { <-time.After(d) }

func (w *world) must() {
	w.t.Helper()
	if _, err := w.run(); err != nil {
		w.t.Fatal(err)
	}
}

// writes returns what was done to the cluster since the last call.
func (w *world) writes() []string {
	log := w.cluster.log
	w.cluster.log = nil
	return log
}

// told returns the facts since the last call.
func (w *world) told() []string {
	facts := w.facts
	w.facts = nil
	return facts
}

// inventory returns the ids in the status.
func (w *world) inventory() []string {
	if w.ks.Status.Inventory == nil {
		return nil
	}
	var ids []string
	for _, e := range w.ks.Status.Inventory.Entries {
		ids = append(ids, e.ID)
	}
	return ids
}

func (w *world) want(what string, got, want any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s: %s", what, diff)
	}
}

// condition returns status/reason: message of a condition.
func (w *world) condition(kind string) string {
	c := conditions.Get(w.ks.Status.Conditions, kind)
	if c == nil {
		return "none"
	}
	return fmt.Sprintf("%s/%s: %s", c.Status, c.Reason, c.Message)
}
