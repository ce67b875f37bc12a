package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAsksForRun(t *testing.T) {
	bad := func(generation int64) *kube.Undecodable {
		return &kube.Undecodable{ObjectMeta: metav1.ObjectMeta{UID: "1", Generation: generation}}
	}
	tests := map[string]struct {
		old, obj metav1.Object // nil: changed below from an ordinary object
		change   func(*sourcev1.GitRepository)
		want     bool
	}{
		"nothing":             {change: func(*sourcev1.GitRepository) {}, want: false},
		"a status write":      {change: func(o *sourcev1.GitRepository) { o.ResourceVersion = "9"; o.Status.ObservedGeneration = 1 }, want: false},
		"a label":             {change: func(o *sourcev1.GitRepository) { o.Labels = map[string]string{"a": "b"} }, want: false},
		"a finalizer":         {change: func(o *sourcev1.GitRepository) { o.Finalizers = []string{"x"} }, want: false},
		"another annotation":  {change: func(o *sourcev1.GitRepository) { o.Annotations = map[string]string{"a": "b"} }, want: false},
		"an instruction":      {change: func(o *sourcev1.GitRepository) { o.Annotations["fluxd.io/x"] = "1" }, want: true},
		"a request":           {change: func(o *sourcev1.GitRepository) { o.Annotations[api.AnnotationReconcileRequest] = "now" }, want: true},
		"a new spec":          {change: func(o *sourcev1.GitRepository) { o.Generation++ }, want: true},
		"a deletion":          {change: func(o *sourcev1.GitRepository) { o.DeletionTimestamp = &metav1.Time{Time: longAgo} }, want: true},
		"another of its name": {change: func(o *sourcev1.GitRepository) { o.UID = "2" }, want: true},
		"a new object":        {obj: repository("it"), want: true},
		"new and undecodable": {obj: bad(1), want: true},
		"no longer decodes":   {old: repository("it"), obj: bad(1), want: true},
		"decodes again":       {old: bad(1), obj: repository("it"), want: true},
		"still bad":           {old: bad(1), obj: bad(1), want: false},
		"bad in another way":  {old: bad(1), obj: bad(2), want: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.change != nil {
				old := repository("it")
				old.Annotations = map[string]string{api.AnnotationReconcileRequest: "before"}
				changed := old.DeepCopy()
				test.change(changed)
				if len(changed.Annotations) == 1 && changed.Annotations["a"] != "" {
					changed.Annotations[api.AnnotationReconcileRequest] = "before"
				}
				test.old, test.obj = old, changed
			}
			if got := asksForRun(test.old, test.obj); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// dependent makes every app read the repository of the same name.
func dependent(w *world) {
	w.apps.refs = func(o *kustomizev1.Kustomization) []reconcilers.Ref { return []reconcilers.Ref{named(o.Name)} }
}

// A dependent runs again when what it may notice changes, and only then.
func TestDependents(t *testing.T) {
	setReady := func(status metav1.ConditionStatus) func(*sourcev1.GitRepository) {
		return func(o *sourcev1.GitRepository) {
			o.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Reason: "Test"}}
		}
	}
	tests := map[string]struct {
		change func(*sourcev1.GitRepository)
		want   bool
	}{
		"a new revision": {func(o *sourcev1.GitRepository) { o.Status.Artifact = &api.Artifact{Revision: "main@sha1:2"} }, true},
		"a new digest": {func(o *sourcev1.GitRepository) {
			o.Status.Artifact = &api.Artifact{Revision: "main@sha1:1", Digest: "x"}
		}, true},
		"the artifact gone": {func(o *sourcev1.GitRepository) { o.Status.Artifact = nil }, true},
		"readiness":         {setReady(metav1.ConditionFalse), true},
		"a new generation":  {func(o *sourcev1.GitRepository) { o.Spec.URL = "https://example.com/other" }, true},
		"a reason of Ready": {setReady(metav1.ConditionTrue), false},
		"another condition": {func(o *sourcev1.GitRepository) {
			o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{Type: "X"})
		}, false},
		"metadata":            {func(o *sourcev1.GitRepository) { o.Labels = map[string]string{"a": "b"} }, false},
		"when it was handled": {func(o *sourcev1.GitRepository) { o.Status.LastHandledReconcileAt = "now" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				dependent(w)
				w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
					return reconcilers.Result{Reason: "Succeeded", Message: "done"}, nil
				}
				source := repository("it")
				source.Status.Artifact = &api.Artifact{Revision: "main@sha1:1"}
				key := w.create(source)
				w.create(app("it"))
				w.create(app("other"))
				w.start()
				w.sources.do = func(context.Context, *sourcev1.GitRepository) (reconcilers.Result, error) {
					return reconcilers.Result{}, fault.Stalled("Test", errors.New("left as it is")) // of a new generation
				}
				before, others := w.apps.count("it"), w.apps.count("other")
				edit(w.cluster, key, test.change)
				w.wait(settled)
				if got := w.apps.count("it") > before; got != test.want {
					t.Errorf("the dependent ran: %t, want %t", got, test.want)
				}
				if got := w.apps.count("other") - others; got != 0 {
					t.Errorf("a stranger ran %d times", got)
				}
			})
		})
	}
}

func TestDependentsOfTheWhole(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.apps.refs = func(o *kustomizev1.Kustomization) []reconcilers.Ref {
			ref := named("it")
			ref.Whole = o.Name == "whole"
			return []reconcilers.Ref{ref}
		}
		key := w.create(repository("it"))
		w.create(app("it"))
		w.create(app("whole"))
		w.start()
		w.wait(settled)
		part, before := w.apps.count("it"), w.apps.count("whole")
		edit(w.cluster, key, func(o *sourcev1.GitRepository) { o.Labels = map[string]string{"a": "b"} })
		w.wait(settled)
		if got := w.apps.count("whole") - before; got != 1 {
			t.Errorf("who reads the whole of it ran %d times", got)
		}
		if got := w.apps.count("it") - part; got != 0 {
			t.Errorf("who does not ran %d times", got)
		}
	})
}

func TestDependentsOfWhatIsNotThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dependent(w)
		w.start()
		w.create(app("it"))
		w.wait(settled)
		key := w.create(repository("it"))
		w.wait(settled)
		if n := w.apps.count("it"); n < 2 {
			t.Errorf("the dependent ran %d times, want again once the source was there", n)
		}
		before := w.apps.count("it")
		w.delete(key)
		w.wait(settled)
		if n := w.apps.count("it") - before; n != 1 {
			t.Errorf("the dependent ran %d times when the source went, want once", n)
		}
	})
}

// Whoever watches the world for an object may ask for a run at some time. What is
// asked for while the object runs holds, whatever the run returns.
func TestWakeAfter(t *testing.T) {
	tests := map[string]struct {
		after []time.Duration
		busy  bool // asked for during a run
		want  []time.Duration
	}{
		"at once":                  {after: []time.Duration{0}, want: []time.Duration{0}},
		"later":                    {after: []time.Duration{time.Minute}, want: []time.Duration{time.Minute}},
		"the earliest":             {after: []time.Duration{time.Minute, time.Second, time.Hour}, want: []time.Duration{time.Second}},
		"not later than it is due": {after: []time.Duration{time.Hour}},
		"during a run":             {after: []time.Duration{time.Minute}, busy: true, want: []time.Duration{time.Minute}},
		"at once, during a run":    {after: []time.Duration{0}, busy: true, want: []time.Duration{500 * time.Millisecond}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var asked time.Time
				var runs []time.Duration
				w.sources.do = func(context.Context, *sourcev1.GitRepository) (reconcilers.Result, error) {
					if asked.IsZero() {
						time.Sleep(time.Second / 2) // of the bubble's clock
						asked = time.Now().Add(-time.Second / 2)
					} else {
						runs = append(runs, time.Since(asked).Truncate(time.Second/2))
					}
					return reconcilers.Result{Reason: "Succeeded"}, nil
				}
				w.start()
				key := w.create(repository("it"))
				w.wait(settled)
				if !test.busy {
					w.wait(time.Second)
					asked = time.Now()
				}
				for _, after := range test.after {
					w.engine.WakeAfter(key, after)
				}
				w.wait(9 * time.Minute)
				if len(runs) != len(test.want) || len(runs) > 0 && runs[0] != test.want[0] {
					t.Errorf("ran after %v, want %v", runs, test.want)
				}
			})
		})
	}
}

func TestWakeOfStrangers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.engine.Wake(Key{Namespace: "edge", Name: "no kind of ours"})
		w.engine.WakeAfter(Key{Namespace: "edge", Name: "no kind of ours"}, time.Second)
		w.engine.Wake(named("never-was"))
		w.wait(time.Minute)
		w.engine.table.mu.Lock()
		defer w.engine.table.mu.Unlock()
		if n := len(w.engine.table.states); n != 0 {
			t.Errorf("%d states are remembered of objects that do not exist", n)
		}
	})
}

// References may panic: that is the object's own misfortune.
func TestReferencesPanic(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sources.refs = func(o *sourcev1.GitRepository) []reconcilers.Ref {
			if o.Name == "bad" {
				panic("nil pointer, say")
			}
			return nil
		}
		w.start()
		w.create(repository("bad"))
		w.create(repository("good"))
		w.wait(settled)
		w.wantRuns(map[string]int{"bad": 1, "good": 1})
	})
}
