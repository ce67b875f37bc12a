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
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/google/go-cmp/cmp"
)

// An object that fares well costs one status write, and then none.
func TestSteadyState(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		key := w.create(repository("it"))
		w.wait(settled)
		w.wantWrites("status " + key.String())
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: done"})
		w.wait(time.Hour)
		w.wantWrites()
		w.wantRuns(map[string]int{"it": 7})
	})
}

// Our own status writes wake nobody, least of all ourselves.
func TestOwnWritesDoNotWake(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := 0
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			n++
			o.Status.Artifact = &api.Artifact{Revision: "main@sha1:" + string(rune('a'+n))}
			return reconcilers.Result{Reason: "Succeeded", Message: "run " + string(rune('a'+n))}, nil
		}
		w.start()
		w.create(repository("it"))
		w.wait(time.Minute)
		w.wantRuns(map[string]int{"it": 1})
	})
}

func TestRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			if o.Annotations[api.AnnotationReconcileRequest] == "fail" {
				return reconcilers.Result{}, errors.New("it broke")
			}
			return reconcilers.Result{Reason: "Succeeded", Fact: &reconcilers.Fact{Reason: "Succeeded", Routine: true}}, nil
		}
		w.start()
		key := w.create(repository("it"))
		w.wait(settled)
		w.told()
		for _, request := range []string{"one", "two", "fail"} {
			w.annotate(key, request)
			w.wait(settled)
			if got := get[api.Object](t, w.cluster, key).GetLastHandledReconcileAt(); got != request {
				t.Errorf("handled %q, want %q", got, request)
			}
		}
		if diff := cmp.Diff([]string{"Succeeded", "Succeeded", "Failed"}, w.told()); diff != "" {
			t.Errorf("told (-want +got): %s", diff)
		}
	})
}

func TestFailuresBackOff(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var at []time.Duration
		start := time.Now()
		w.sources.do = func(context.Context, *sourcev1.GitRepository) (reconcilers.Result, error) {
			at = append(at, time.Since(start).Truncate(time.Second))
			if len(at) > 8 {
				return reconcilers.Result{Reason: "Succeeded"}, nil
			}
			return reconcilers.Result{}, errors.New("it broke")
		}
		w.start()
		key := w.create(repository("it"))
		w.wait(10 * time.Minute)
		want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("ran at (-want +got): %s", diff)
		}
		w.wantWrites("status "+key.String(), "status "+key.String()) // failed, and recovered
	})
}

func TestStalledUntilEdited(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			if o.Generation == 1 {
				return reconcilers.Result{}, fault.Stalled("URLInvalid", errors.New("not a URL"))
			}
			return reconcilers.Result{Reason: "Succeeded"}, nil
		}
		w.start()
		key := w.create(repository("it"))
		w.wait(24 * time.Hour)
		w.wantRuns(map[string]int{"it": 1})
		edit(w.cluster, key, func(o *sourcev1.GitRepository) { o.Spec.URL = "https://example.com" })
		w.wait(settled)
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: "})
	})
}

// A reconciler that takes several steps has its status saved between them, and is
// called with what was saved.
func TestAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var seen []string
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			last := ""
			if o.Status.ObservedIgnore != nil {
				last = *o.Status.ObservedIgnore
			}
			seen = append(seen, last)
			next := last + "I"
			o.Status.ObservedIgnore = &next
			return reconcilers.Result{Reason: "Succeeded", Again: len(next) < 3, Progress: "step " + next}, nil
		}
		w.start()
		key := w.create(repository("it"))
		w.wait(settled)
		if diff := cmp.Diff([]string{"", "I", "II"}, seen); diff != "" {
			t.Errorf("steps saw (-want +got): %s", diff)
		}
		w.wantWrites("status "+key.String(), "status "+key.String(), "status "+key.String())
	})
}

// What happens to an object between two steps is seen by the next.
func TestAgainSeesWhatChanged(t *testing.T) {
	tests := map[string]struct {
		change   func(w *world, key Key)
		runs     int
		finished int
	}{
		"suspended": {func(w *world, key Key) {
			edit(w.cluster, key, func(o *kustomizev1.Kustomization) { o.Spec.Suspend = true })
		}, 1, 0},
		"deleted": {func(w *world, key Key) { w.delete(key) }, 1, 1},
		"edited": {func(w *world, key Key) {
			edit(w.cluster, key, func(o *kustomizev1.Kustomization) { o.Spec.Path = "./done" })
		}, 3, 0}, // the third is for the watch, which tells of it late
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				key := Key{}
				w.apps.do = func(_ context.Context, o *kustomizev1.Kustomization) (reconcilers.Result, error) {
					if o.Spec.Path == "./done" {
						return reconcilers.Result{Reason: "Succeeded"}, nil
					}
					if w.apps.count("it") > 100 {
						t.Fatal("it goes on and on")
					}
					w.lag(true)
					test.change(w, key)
					return reconcilers.Result{Again: true, Progress: "half way"}, nil
				}
				w.start()
				o := app("it")
				key = keyFor(o)
				w.create(o)
				w.wait(settled)
				w.lag(false)
				w.wait(settled)
				if n := w.apps.count("it"); n != test.runs {
					t.Errorf("ran %d times, want %d", n, test.runs)
				}
				if n := w.apps.finalized("it"); n != test.finished {
					t.Errorf("finalized %d times, want %d", n, test.finished)
				}
			})
		})
	}
}

func TestPanic(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			if o.Name == "bad" {
				panic("index out of range, say")
			}
			return reconcilers.Result{Reason: "Succeeded"}, nil
		}
		w.start()
		bad, good := w.create(repository("bad")), w.create(repository("good"))
		w.wait(10 * time.Second)
		w.wantConditions(good, map[string]string{"Ready": "True Succeeded: "})
		w.wantConditions(bad, map[string]string{
			"Ready":       "False Failed: internal error: the reconciler panicked, see the log",
			"Reconciling": "True ProgressingWithRetry: internal error: the reconciler panicked, see the log",
		})
		w.wantRuns(map[string]int{"bad": 4, "good": 1}) // retried at 0, 1, 3 and 7 seconds
	})
}

// What the cache shows may be older than what the last run saved. A run never
// starts from less than that.
func TestStaleCache(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var seen []string
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			revision := ""
			if o.Status.Artifact != nil {
				revision = o.Status.Artifact.Revision
			}
			seen = append(seen, revision)
			o.Status.Artifact = &api.Artifact{Revision: revision + "+"}
			return reconcilers.Result{Reason: "Succeeded"}, nil
		}
		w.start()
		key := w.create(repository("it"))
		w.wait(settled)
		w.lag(true)
		w.engine.Wake(key)
		w.wait(settled)
		w.engine.Wake(key)
		w.wait(settled)
		w.lag(false)
		w.engine.Wake(key)
		w.wait(settled)
		if diff := cmp.Diff([]string{"", "+", "++", "+++"}, seen); diff != "" {
			t.Errorf("runs saw (-want +got): %s", diff)
		}
	})
}
