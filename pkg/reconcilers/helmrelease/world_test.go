package helmrelease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render/helm"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

func configOf(values map[string]any) string { return helm.ConfigDigest(digest.Canonical, values) }

// world is a HelmRelease with all that it touches.
type world struct {
	t       *testing.T
	r       *reconciler
	storage *storage
	store   *artifacts.Store
	objects map[reconcilers.Ref]api.Object
	data    map[string]map[string]string // of ConfigMaps and Secrets, by kind/name
	hr      *v2.HelmRelease
	facts   []string
	charts  []string // writes of HelmCharts
	// absent is why there is no access to the cluster, lost that the account is gone.
	absent error
	lost   bool
	// retry is the delay of a fault.Retry.
	retry time.Duration
}

// newWorld returns a world with a HelmRelease of the OCIRepository "chart".
func newWorld(t *testing.T, edits ...func(*v2.HelmRelease)) *world {
	t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, storage: newStorage(), store: store, objects: map[reconcilers.Ref]api.Object{}, data: map[string]map[string]string{}}
	w.r = &reconciler{
		store: store, loaded: helm.NewCharts(helm.ChartOptions{}), renderer: helm.NewRenderer(kustomize.New(kustomize.Config{})),
		releases: w.storage, tenancy: w.tenancy(), objects: w, configs: w, charts: w, bus: w,
		options: Options{RequeueDependency: 30 * time.Second}, resyncs: consumer.NewResyncs(time.Hour),
		judges: consumer.NewJudges(release.NewHealth), courses: newCourses(), sent: newSent(),
	}
	w.hr = object(edits...)
	w.hr.UID, w.hr.Finalizers, w.hr.Status.ObservedGeneration = "uid", []string{api.Finalizer}, -1
	w.hr.Spec.Interval.Duration = 10 * time.Minute
	if w.hr.Spec.Chart == nil && w.hr.Spec.ChartRef == nil {
		w.hr.Spec.ChartRef = &v2.CrossNamespaceSourceReference{Kind: api.OCIRepositoryKind, Name: "chart"}
	}
	w.push("1.0.0", nil)
	return w
}

// push makes a version of the chart the artifact of the OCIRepository.
func (w *world) push(version string, files map[string]string) {
	w.t.Helper()
	all := map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: podinfo\nversion: " + version + "\nappVersion: v9\n", "values.yaml": "word: hello\n",
		"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {word: {{ .Values.word }}}\n",
	}
	maps.Copy(all, files)
	b := w.store.NewBuilder(artifacts.Limits{})
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := b.AddFile("podinfo/"+name, 0o644, []byte(all[name])); err != nil {
			w.t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		w.t.Fatal(err)
	}
	repo := &sourcev1.OCIRepository{}
	repo.SetGroupVersionKind(api.OCIRepositoryGVK)
	repo.Namespace, repo.Name = "apps", "chart"
	w.publish(repo, &repo.Status.Artifact, tree, version+"@sha256:"+strings.Repeat(map[bool]string{true: "ab12", false: "cd34"}[version == "1.0.0"], 16))
}

// publish stores a tree as the artifact of a source.
func (w *world) publish(source api.Object, artifact **api.Artifact, tree *artifacts.Tree, revision string) {
	w.t.Helper()
	kind := source.GetObjectKind().GroupVersionKind()
	stored, err := w.store.Put(artifacts.Owner{Kind: kind.Kind, Namespace: source.GetNamespace(), Name: source.GetName()}, revision, tree, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	*artifact = &api.Artifact{Revision: revision, Digest: stored.Digest}
	w.objects[reconcilers.NewRef(kind.GroupKind(), source.GetNamespace(), source.GetName())] = source
}

func (w *world) tenancy() tenancy {
	at := &access{served: func(context.Context) (helm.Capabilities, error) {
		return helm.Capabilities{KubeVersion: "v1.37.0"}, nil
	}}
	return tenancy{
		connect: func(context.Context, apply.Owner, clusters.Identity) (*access, error) { return at, w.absent },
		missing: func(context.Context, apply.Owner, clusters.Identity) (bool, error) { return w.lost, nil },
		forget:  func(apply.Owner) {},
	}
}

func (w *world) Get(kind schema.GroupKind, namespace, name string) (api.Object, bool) {
	obj, ok := w.objects[reconcilers.NewRef(kind, namespace, name)]
	return obj, ok
}

func (w *world) SourceOf(kind schema.GroupKind, namespace, name string) (api.Source, bool) {
	source, ok := w.objects[reconcilers.NewRef(kind, namespace, name)].(api.Source)
	return source, ok
}

func (w *world) Publish(f events.Fact) {
	w.facts = append(w.facts, fmt.Sprintf("%s %s: %s", f.Severity, f.Reason, f.Message))
}

func (w *world) Secret(_ context.Context, _, name string) (map[string][]byte, string, error) {
	texts, err := w.ConfigMap(context.Background(), secretKind, name)
	data := map[string][]byte{}
	for key, text := range texts {
		data[key] = []byte(text)
	}
	return data, "Opaque", err
}

func (w *world) ConfigMap(_ context.Context, kind, name string) (map[string]string, error) {
	if kind != secretKind {
		kind = configMapKind
	}
	texts, ok := w.data[kind+"/"+name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
	}
	return texts, nil
}

func (w *world) Apply(_ context.Context, chart *sourcev1.HelmChart) error {
	w.charts = append(w.charts, "apply "+chart.Namespace+"/"+chart.Name)
	w.objects[reconcilers.NewRef(api.HelmChartGVK.GroupKind(), chart.Namespace, chart.Name)] = chart.DeepCopy()
	return nil
}

// Foretell leaves what others have put on the HelmChart, and not what was applied before.
func (w *world) Foretell(_ context.Context, chart *sourcev1.HelmChart) (*sourcev1.HelmChart, error) {
	live := w.objects[reconcilers.NewRef(api.HelmChartGVK.GroupKind(), chart.Namespace, chart.Name)].(*sourcev1.HelmChart)
	left := chart.DeepCopy()
	left.Spec.Suspend = live.Spec.Suspend
	for _, others := range []string{"x", "y"} {
		if value, ok := live.Labels[others]; ok {
			left.Labels[others] = value
		}
	}
	return left, nil
}

func (w *world) Delete(_ context.Context, namespace, name string) error {
	w.charts = append(w.charts, "delete "+namespace+"/"+name)
	delete(w.objects, reconcilers.NewRef(api.HelmChartGVK.GroupKind(), namespace, name))
	return nil
}

// once runs the object once, as the engine does, and says whether it is to run again at
// once.
func (w *world) once() (again bool, err error) {
	w.t.Helper()
	work := w.hr.DeepCopy()
	result, err := w.r.Reconcile(w.t.Context(), work)
	if diff := cmp.Diff(w.hr.Spec, work.Spec); diff != "" {
		w.t.Errorf("the spec was changed: %s", diff)
	}
	w.settle(work, result, err)
	w.hr = work
	return err == nil && result.Again, err
}

// run runs the object until it does not ask for more at once. A retry that is due at
// once by backoff is one if tries says so.
func (w *world) run(tries int) error {
	w.t.Helper()
	for range 50 {
		again, err := w.once()
		failed, isFailed := errors.AsType[*fault.FailedError](err)
		switch {
		case again:
		case isFailed && failed.After == 0 && tries > 0:
			tries--
		default:
			return err
		}
	}
	w.t.Fatalf("it does not end: %s", w.ready())
	return nil
}

// settle is what the engine makes of an ending.
func (w *world) settle(obj *v2.HelmRelease, result reconcilers.Result, err error) {
	ready := fault.Summary{Status: metav1.ConditionTrue, Reason: result.Reason, Message: result.Message}
	stalled, isStalled := errors.AsType[*fault.StalledError](err)
	waiting, isWaiting := errors.AsType[*fault.WaitingError](err)
	failed, isFailed := errors.AsType[*fault.FailedError](err)
	summary := result.Summary
	if s, ok := errors.AsType[*fault.SummarisedError](err); ok {
		summary = &s.Summary
	}
	observed := err == nil && !result.Again
	obj.Status.Conditions = conditions.Delete(obj.Status.Conditions, api.ConditionStalled)
	switch {
	case isStalled:
		ready, observed = fault.Summary{Status: "False", Reason: stalled.Reason, Message: err.Error()}, true
		w.set(obj, api.ConditionStalled, fault.Summary{Status: "True", Reason: stalled.Reason, Message: err.Error()})
	case isWaiting && waiting.KeepReady && conditions.IsTrue(obj.Status.Conditions, api.ConditionReady):
		return
	case isWaiting && waiting.Reason == api.ReasonProgressing:
		ready = fault.Summary{Status: "Unknown", Reason: waiting.Reason, Message: err.Error()}
	case isWaiting:
		ready = fault.Summary{Status: "False", Reason: waiting.Reason, Message: err.Error()}
	case isFailed:
		ready, observed, w.retry = fault.Summary{Status: "False", Reason: failed.Reason, Message: err.Error()}, failed.After > 0, failed.After
	case err != nil:
		ready = fault.Summary{Status: "False", Reason: "Unclassified", Message: err.Error()}
	case result.Again && summary == nil:
		return
	}
	if summary != nil {
		ready = *summary
	}
	w.set(obj, api.ConditionReady, ready)
	if observed {
		obj.Status.ObservedGeneration = obj.Generation
	}
	if err != nil || !result.Again {
		obj.Status.LastHandledReconcileAt = obj.Annotations[api.AnnotationReconcileRequest]
	}
}

func (w *world) set(obj *v2.HelmRelease, kind string, s fault.Summary) {
	obj.Status.Conditions = conditions.Set(obj.Status.Conditions, metav1.Condition{
		Type: kind, Status: s.Status, Reason: s.Reason, Message: s.Message, ObservedGeneration: obj.Generation,
	}, time.Now())
}

// is returns status/reason of a condition.
func (w *world) is(kind string) string {
	c := conditions.Get(w.hr.Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + "/" + c.Reason
}

func (w *world) ready() string { return w.is(api.ConditionReady) }

// message returns that of a condition.
func (w *world) message(kind string) string {
	if c := conditions.Get(w.hr.Status.Conditions, kind); c != nil {
		return c.Message
	}
	return ""
}

// edit changes the spec, in a new generation.
func (w *world) edit(f func(*v2.HelmRelease)) {
	w.hr = w.hr.DeepCopy()
	f(w.hr)
	w.hr.Generation++
}

func (w *world) values(text string) {
	w.edit(func(o *v2.HelmRelease) { o.Spec.Values = &api.JSON{Raw: []byte(text)} })
}

func (w *world) want(what string, got, want any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got): %s", what, diff)
	}
}

// history returns the revisions in the status: number, status and action.
func (w *world) history() []string { return versions(w.hr.Status.History) }

// told says whether a fact with the given parts was published.
func (w *world) told(parts ...string) bool {
	return slices.ContainsFunc(w.facts, func(f string) bool {
		for _, part := range parts {
			if !strings.Contains(f, part) {
				return false
			}
		}
		return true
	})
}
