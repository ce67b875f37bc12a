package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStatusPatch(t *testing.T) {
	base := func() *sourcev1.GitRepository {
		o := repository("it")
		o.Status.ObservedGeneration = 1
		o.Status.Artifact = &api.Artifact{Revision: "main@sha1:1", Digest: "sha256:1"}
		return o
	}
	tests := map[string]struct {
		change func(*sourcev1.GitRepository)
		want   string
	}{
		"nothing":           {func(*sourcev1.GitRepository) {}, ""},
		"the spec alone":    {func(o *sourcev1.GitRepository) { o.Spec.URL = "x"; o.Generation = 7 }, ""},
		"one field":         {func(o *sourcev1.GitRepository) { o.Status.LastHandledReconcileAt = "now" }, `{"lastHandledReconcileAt":"now"}`},
		"one of a struct":   {func(o *sourcev1.GitRepository) { o.Status.Artifact.Digest = "sha256:2" }, `{"artifact":{"digest":"sha256:2"}}`},
		"removed":           {func(o *sourcev1.GitRepository) { o.Status.Artifact = nil }, `{"artifact":null}`},
		"an empty list":     {func(o *sourcev1.GitRepository) { o.Status.Conditions = []metav1.Condition{} }, ""},
		"zero is not there": {func(o *sourcev1.GitRepository) { o.Status.ObservedGeneration = 0 }, `{"observedGeneration":null}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			after := base()
			test.change(after)
			patch, err := statusPatch(base(), after)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(patch)); diff != "" {
				t.Errorf("patch (-want +got): %s", diff)
			}
		})
	}
}

func TestAdopt(t *testing.T) {
	of := func(types ...string) []metav1.Condition {
		var list []metav1.Condition
		for _, kind := range types {
			list = append(list, metav1.Condition{Type: kind})
		}
		return list
	}
	tests := map[string]struct{ ours, before, live, want []metav1.Condition }{
		"somebody else's is kept":          {of("Ready"), of("Ready"), of("Ready", "Audited"), of("Ready", "Audited")},
		"what we removed stays removed":    {of("Ready"), of("Ready", "FetchFailed"), of("Ready", "FetchFailed"), of("Ready")},
		"the engine's own are not others'": {of("Ready"), of("Ready"), of("Ready", "Stalled", "Reconciling"), of("Ready")},
		"nothing happened":                 {of("Stalled", "Ready"), of("Ready"), of("Ready"), of("Stalled", "Ready")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, adopt(test.ours, test.before, test.live)); diff != "" {
				t.Errorf("conditions (-want +got): %s", diff)
			}
		})
	}
}

// An edit that arrives while the status of the generation before is written makes
// that write a conflict. It is repeated, and claims only what was reconciled.
func TestEditDuringARun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var key Key
		var claims []int64
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			if o.Generation == 1 {
				w.lag(true) // the watch has yet to tell of the edit
				edit(w.cluster, key, func(o *sourcev1.GitRepository) { o.Spec.URL = "https://example.com/new" })
				edit(w.cluster, key, func(o *sourcev1.GitRepository) {
					o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{Type: "Audited", Status: "True", Reason: "Test"})
				})
			}
			o.Status.Artifact = &api.Artifact{Revision: o.Spec.URL}
			return reconcilers.Result{Reason: "Succeeded", Message: o.Spec.URL}, nil
		}
		w.start()
		o := repository("it")
		key = keyFor(o)
		w.create(o)
		w.wait(settled)
		stored := get[*sourcev1.GitRepository](t, w.cluster, key)
		claims = append(claims, stored.Generation, stored.Status.ObservedGeneration)
		w.wantConditions(key, map[string]string{
			"Ready": "True Succeeded: https://example.com/it", "Audited": "True Test: ",
		})
		w.lag(false)
		w.wait(settled)
		stored = get[*sourcev1.GitRepository](t, w.cluster, key)
		claims = append(claims, stored.Generation, stored.Status.ObservedGeneration)
		if diff := cmp.Diff([]int64{2, 1, 2, 2}, claims); diff != "" {
			t.Errorf("generation and observed generation, before and after the watch told (-want +got): %s", diff)
		}
		w.wantConditions(key, map[string]string{
			"Ready": "True Succeeded: https://example.com/new", "Audited": "True Test: ",
		})
		w.wantRuns(map[string]int{"it": 2})
	})
}

// A status that cannot be written is tried again, and so is the run.
func TestFailedWrites(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		refusals := 3
		w.before = func(string, Key) error {
			if refusals--; refusals >= 0 {
				return errors.New("the API server is not there")
			}
			return nil
		}
		w.start()
		key := w.create(repository("it"))
		w.wait(6 * time.Second)
		w.wantRuns(map[string]int{"it": 3}) // at 0, 1 and 3 seconds, and the next at 7
		w.wait(2 * time.Second)
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: done"})
		w.wantRuns(map[string]int{"it": 4})
	})
}

// An object whose status could not be written for a long time because the API server was
// away runs soon after it is back.
func TestFailedWritesForLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.Timing.MaxRetry = 15 * time.Minute
		w.before = func(string, Key) error { return apierrors.NewServiceUnavailable("no leader") }
		w.start()
		key := w.create(repository("it"))
		w.wait(time.Hour)
		w.mu.Lock()
		w.before = nil
		w.mu.Unlock()
		w.wait(slowestUnwell)
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: done"})
	})
}

// Somebody who changes an object all the time cannot hold a worker.
func TestConflictsEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		key := keyFor(repository("it"))
		w.create(repository("it"))
		tries := 0
		w.before = func(string, Key) error {
			if tries++; tries <= 7 {
				edit(w.cluster, key, func(o *sourcev1.GitRepository) { o.Labels = map[string]string{"try": string(rune('a' + tries))} })
			}
			return nil
		}
		w.start()
		w.wait(settled)
		if tries != conflictTries {
			t.Errorf("wrote %d times in one run, want %d", tries, conflictTries)
		}
		w.wait(time.Second)
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: done"})
		w.wantRuns(map[string]int{"it": 2})
	})
}

// An object that is deleted and created again while it runs is a new one: what was
// found out about the old one is not written to it.
func TestRecreatedDuringARun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var key Key
		var undone, ran []string
		w.sources.undo = func(_ context.Context, o *sourcev1.GitRepository) error {
			undone = append(undone, string(o.UID))
			return nil
		}
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			ran = append(ran, string(o.UID))
			if o.UID == "uid-1" {
				w.lag(true)
				w.delete(key)
				w.create(repository("it"))
				w.skip() // the watch misses the deletion
			}
			return reconcilers.Result{Reason: "Succeeded", Message: "this is " + string(o.UID)}, nil
		}
		w.start()
		key = keyFor(repository("it"))
		w.create(repository("it"))
		w.wait(settled)
		w.wantConditions(key, map[string]string{})
		w.lag(false)
		w.wait(settled)
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: this is uid-2"})
		if diff := cmp.Diff([]string{"uid-1", "uid-2"}, ran); diff != "" {
			t.Errorf("ran (-want +got): %s", diff)
		}
		if diff := cmp.Diff([]string{"uid-1"}, undone); diff != "" {
			t.Errorf("finalized (-want +got): %s", diff)
		}
	})
}

// An object can be let go although the watch does not tell of what others did to it: what
// a refused write was based on is read anew.
func TestConflictWhileTheWatchLags(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		w.before = func(string, Key) error {
			w.before = nil
			w.lag(true)
			edit(w.cluster, key, func(o *kustomizev1.Kustomization) { o.Labels = map[string]string{"new": "label"} })
			return nil
		}
		w.delete(key)
		w.wait(time.Minute)
		if w.exists(key) {
			t.Error("the object is held")
		}
		w.lag(false)
	})
}

// A cluster that was restored to an earlier state has lost what was written since. What
// is remembered of that goes, too, or else every write would be based on it.
func TestRestoredCluster(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		before := get[api.Object](t, w.cluster, key)
		w.annotate(key, "once more")
		w.wait(settled)
		w.written()
		w.restore(key, before)
		w.wait(settled)
		runs := w.apps.count("it")
		w.delete(key)
		w.wait(settled)
		if w.exists(key) {
			t.Error("the object is held")
		}
		w.wantWrites("finalizers " + key.String())
		if runs != 3 {
			t.Errorf("%d runs, want one for the state that was restored", runs)
		}
	})
}

// A run that began before a restore and ends behind it, or does not know of it yet, writes
// nothing of what it has computed from the state that was undone.
func TestRestoredDuringARun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.apps.do = func(_ context.Context, o *kustomizev1.Kustomization) (reconcilers.Result, error) {
			o.Status.LastAppliedRevision += "x"
			return reconcilers.Result{Reason: "Succeeded", Message: "done"}, nil
		}
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		before := get[api.Object](t, w.cluster, key)
		w.annotate(key, "once more")
		w.wait(settled)
		w.annotate(key, "and once more")
		w.wait(settled)
		w.lag(true)
		w.restore(key, before)
		w.engine.Wake(key)
		w.wait(time.Minute)
		if got := get[*kustomizev1.Kustomization](t, w.cluster, key).Status.LastAppliedRevision; got != "x" {
			t.Errorf("the status was written on the base of what was undone: %s", got)
		}
		w.lag(false)
		w.wait(time.Minute)
		if got := get[*kustomizev1.Kustomization](t, w.cluster, key).Status.LastAppliedRevision; got != "xx" {
			t.Errorf("after the restore is known the status is %s, want xx", got)
		}
	})
}
