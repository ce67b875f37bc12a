package engine

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// stub is a reconciler made of functions. It notes its runs, and that no object
// has two at a time.
type stub[T api.Object] struct {
	refs func(T) []reconcilers.Ref
	do   func(context.Context, T) (reconcilers.Result, error)
	undo func(context.Context, T) error

	mu      sync.Mutex
	runs    map[string]int
	undone  map[string]int
	running map[string]bool
	busy    int
	twice   bool
}

func newStub[T api.Object]() *stub[T] {
	return &stub[T]{runs: make(map[string]int), undone: make(map[string]int), running: make(map[string]bool)}
}

func (s *stub[T]) References(obj T) []reconcilers.Ref {
	if s.refs == nil {
		return nil
	}
	return s.refs(obj)
}

func (s *stub[T]) Reconcile(ctx context.Context, obj T) (reconcilers.Result, error) {
	s.enter(obj.GetName(), s.runs)
	defer s.leave(obj.GetName())
	if s.do == nil {
		return reconcilers.Result{Reason: "Succeeded", Message: "done"}, nil
	}
	return s.do(ctx, obj)
}

func (s *stub[T]) Finalize(ctx context.Context, obj T) error {
	s.enter(obj.GetName(), s.undone)
	defer s.leave(obj.GetName())
	if s.undo == nil {
		return nil
	}
	return s.undo(ctx, obj)
}

func (s *stub[T]) enter(name string, count map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count[name]++
	s.busy++
	s.twice = s.twice || s.running[name]
	s.running[name] = true
}

func (s *stub[T]) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	delete(s.running, name)
}

func (s *stub[T]) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[name]
}

func (s *stub[T]) finalized(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.undone[name]
}

// world is an engine at work on a cluster. Sources have no finalizer, apps do.
type world struct {
	*cluster
	t       *testing.T
	sources *stub[*sourcev1.GitRepository]
	apps    *stub[*kustomizev1.Kustomization]
	engine  *Engine
	lost    map[Key]int
	facts   []events.Fact // guarded by factMu
	factMu  sync.Mutex
	bus     *events.Bus
	config  Config

	cancel context.CancelFunc
	ended  chan struct{}
}

var (
	gitKind = api.GitRepositoryGVK.GroupKind()
	appKind = api.KustomizationGVK.GroupKind()
)

// inWorld runs test in a bubble of its own time. The engine starts with
// [world.start] and ends with the test.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			cluster: newCluster(), t: t, lost: make(map[Key]int), bus: &events.Bus{},
			sources: newStub[*sourcev1.GitRepository](), apps: newStub[*kustomizev1.Kustomization](),
		}
		w.bus.Observe(t.Context(), "test", 10000, func(_ context.Context, f events.Fact) {
			w.factMu.Lock()
			defer w.factMu.Unlock()
			w.facts = append(w.facts, f)
		})
		w.config = Config{
			Kinds: []schema.GroupKind{gitKind, appKind}, Cache: w.cluster, Writer: w.cluster, Bus: w.bus, Observer: w,
			Timing: Timing{MinRetry: time.Second, MaxRetry: time.Minute}, Grace: 10 * time.Second, Log: logr.Discard(),
		}
		test(t, w)
		w.end()
		w.bus.Close(t.Context())
		if w.sources.twice || w.apps.twice {
			t.Error("an object was run by two workers at a time")
		}
		if len(w.lost) > 0 {
			t.Errorf("the watchdog found lost objects: %v", w.lost)
		}
	})
}

// start begins to work, or begins anew with an empty memory.
func (w *world) start() {
	w.t.Helper()
	registry, err := reconcilers.NewRegistry(
		reconcilers.For(api.GitRepositoryGVK, w.sources, reconcilers.Options{
			Workers: 2, Controller: "source-controller", Manager: "source", FailureReason: "Failed",
		}),
		reconcilers.For(api.KustomizationGVK, w.apps, reconcilers.Options{
			Workers: 2, Finalizer: true, Controller: "kustomize-controller", Manager: "kustomize", FailureReason: "ReconciliationFailed",
		}),
	)
	if err != nil {
		w.t.Fatal(err)
	}
	w.config.Registry = registry
	w.engine = New(w.config)
	listed, err := w.engine.Listen()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel, w.ended = cancel, make(chan struct{})
	go func() {
		defer close(w.ended)
		if err := w.engine.Run(ctx, listed); err != nil {
			w.t.Error(err)
		}
	}()
	w.wait(settled)
}

// wait lets time pass, and everything happen that happens then.
func (w *world) wait(d time.Duration) {
	w.publish()
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

// publish orders what the test has done before what the stubs do next, since the
// passing of time does not.
func (w *world) publish() {
	for _, mu := range []*sync.Mutex{&w.mu, &w.apps.mu, &w.sources.mu} {
		mu.Lock()
		//lint:ignore SA2001 taking the lock is all that is wanted
		mu.Unlock()
	}
}

// end stops the engine and waits until it has.
func (w *world) end() {
	if w.cancel != nil {
		w.publish()
		w.cancel()
		<-w.ended
		w.cancel = nil
	}
}

// Reconciled implements [Observer].
func (w *world) Reconciled(Key, time.Duration, metav1.ConditionStatus) {}

// Forgotten implements [Observer].
func (w *world) Forgotten(Key) {}

// Working implements [Observer].
func (w *world) Working(schema.GroupKind, int) {}

// LostWakeup implements [Observer].
func (w *world) LostWakeup(key Key) { w.lost[key]++ }

// told returns the reasons of the facts since the last call.
func (w *world) told() []string {
	synctest.Wait()
	w.factMu.Lock()
	defer w.factMu.Unlock()
	var reasons []string
	for _, f := range w.facts {
		reasons = append(reasons, f.Reason)
	}
	w.facts = nil
	return reasons
}

// wantRuns compares how often each source has run.
func (w *world) wantRuns(want map[string]int) {
	w.t.Helper()
	w.sources.mu.Lock()
	got := maps.Clone(w.sources.runs)
	w.sources.mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("runs (-want +got): %s", diff)
	}
}

// wantWrites compares the writes since the last call.
func (w *world) wantWrites(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.written()); diff != "" {
		w.t.Errorf("writes (-want +got): %s", diff)
	}
}

// repository returns a source that is polled every ten minutes.
func repository(name string) *sourcev1.GitRepository {
	obj := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: name}}
	obj.SetGroupVersionKind(api.GitRepositoryGVK)
	obj.Spec.URL = "https://example.com/" + name
	obj.Spec.Interval.Duration = 10 * time.Minute
	obj.Status.ObservedGeneration = -1
	return obj
}

// app returns a consumer that runs every hour.
func app(name string) *kustomizev1.Kustomization {
	obj := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: name}}
	obj.SetGroupVersionKind(api.KustomizationGVK)
	obj.Spec.Interval.Duration = time.Hour
	obj.Status.ObservedGeneration = -1
	return obj
}

func clearStatus(obj api.Object) {
	switch o := obj.(type) {
	case *sourcev1.GitRepository:
		o.Status = sourcev1.GitRepositoryStatus{}
	case *kustomizev1.Kustomization:
		o.Status = kustomizev1.KustomizationStatus{}
	}
}

// summary is a condition without its time and generation.
func summary(list []metav1.Condition) map[string]string {
	out := make(map[string]string)
	for _, c := range list {
		out[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
	}
	return out
}

func summaryDiff(want map[string]string, list []metav1.Condition) string {
	return cmp.Diff(want, summary(list))
}

// wantConditions compares the conditions of an object on the server.
func (w *world) wantConditions(key Key, want map[string]string) {
	w.t.Helper()
	if diff := cmp.Diff(want, summary(get[api.Object](w.t, w.cluster, key).GetConditions())); diff != "" {
		w.t.Errorf("conditions of %s (-want +got): %s", key, diff)
	}
}
