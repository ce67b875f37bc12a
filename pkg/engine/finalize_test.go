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
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestFinalizer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		if diff := cmp.Diff([]string{api.Finalizer}, get[api.Object](t, w.cluster, key).GetFinalizers()); diff != "" {
			t.Errorf("finalizers (-want +got): %s", diff)
		}
		w.wantWrites("finalizers "+key.String(), "status "+key.String())
		w.delete(key)
		w.wait(settled)
		if w.exists(key) || w.apps.finalized("it") != 1 {
			t.Errorf("exists: %t, finalized %d times", w.exists(key), w.apps.finalized("it"))
		}
		w.wantWrites("finalizers " + key.String())
		if n := len(w.engine.table.states); n != 0 {
			t.Errorf("%d states are left", n)
		}
	})
}

// An object is held until its finalization succeeded, and people see why.
func TestFinalizationFails(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string // of Ready
	}{
		"an error":  {errors.New("it broke"), "False ReconciliationFailed: it broke"},
		"a stall":   {fault.Stalled("PruneFailed", errors.New("not allowed")), "False PruneFailed: not allowed"},
		"a wait":    {fault.Waiting("Progressing", errors.New("still there"), 2*time.Second), "Unknown Progressing: still there"},
		"a panic":   {nil, "False ReconciliationFailed: internal error: the finalizer panicked, see the log"},
		"unlimited": {fault.Waiting("Progressing", errors.New("still there"), 0), "Unknown Progressing: still there"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.apps.undo = func(context.Context, *kustomizev1.Kustomization) error {
					switch {
					case w.apps.finalized("it") > 1:
						return nil
					case test.err == nil:
						panic("nil pointer, say")
					}
					return test.err
				}
				w.start()
				key := w.create(app("it"))
				w.wait(settled)
				w.delete(key)
				w.wait(settled)
				if got := summary(get[api.Object](t, w.cluster, key).GetConditions())["Ready"]; got != test.want {
					t.Errorf("Ready is %q, want %q", got, test.want)
				}
				w.wait(w.config.Timing.MaxRetry)
				if w.exists(key) || w.apps.finalized("it") != 2 {
					t.Errorf("exists: %t, finalized %d times, want twice", w.exists(key), w.apps.finalized("it"))
				}
			})
		})
	}
}

// Who takes the finalizer off wants nothing undone.
func TestFinalizerTakenOff(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		edit(w.cluster, key, func(o *kustomizev1.Kustomization) { o.Finalizers = nil })
		w.delete(key)
		w.wait(time.Hour)
		if n := w.apps.finalized("it"); n != 0 {
			t.Errorf("finalized %d times", n)
		}
	})
}

// Somebody else's finalizer is none of our business.
func TestForeignFinalizer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		o := app("it")
		o.Finalizers = []string{"example.com/other"}
		key := w.create(o)
		w.wait(settled)
		w.delete(key)
		w.wait(24 * time.Hour)
		if diff := cmp.Diff([]string{"example.com/other"}, get[api.Object](t, w.cluster, key).GetFinalizers()); diff != "" {
			t.Errorf("finalizers (-want +got): %s", diff)
		}
		if n := w.apps.finalized("it"); n != 1 {
			t.Errorf("finalized %d times, want once", n)
		}
	})
}

// A kind without finalizer is finalized once it is gone, until that succeeds; one
// that the stock controllers have left theirs on, before.
func TestWithoutFinalizer(t *testing.T) {
	for name, finalizers := range map[string][]string{"none": nil, "left by others": {api.Finalizer}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.sources.undo = func(context.Context, *sourcev1.GitRepository) error {
					if w.sources.finalized("it") < 3 {
						return errors.New("not yet")
					}
					return nil
				}
				w.start()
				o := repository("it")
				o.Finalizers = finalizers
				key := w.create(o)
				w.wait(settled)
				w.delete(key)
				w.wait(24 * time.Hour)
				if w.exists(key) || w.sources.finalized("it") != 3 {
					t.Errorf("exists: %t, finalized %d times, want 3", w.exists(key), w.sources.finalized("it"))
				}
				w.engine.table.mu.Lock()
				defer w.engine.table.mu.Unlock()
				if len(w.engine.table.states) > 0 {
					t.Errorf("states are left: %v", w.engine.table.states)
				}
			})
		})
	}
}

// An object that comes back while its predecessor is buried keeps its references.
func TestBackWhileBuried(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dependent(w)
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		w.delete(key)
		w.create(app("it")) // at the same instant
		w.wait(settled)
		before := w.apps.count("it")
		w.create(repository("it"))
		w.wait(settled)
		if w.apps.count("it") == before {
			t.Error("the object that came back is not woken by what it reads")
		}
	})
}

// Nothing is undone of a kind that is on its way out, and its objects are let go.
func TestFinalizerOfAnAbandonedKind(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		abandoned := false
		w.config.Abandoned = func(_ context.Context, kind schema.GroupKind) (bool, error) {
			return abandoned && kind == api.KustomizationGVK.GroupKind(), nil
		}
		w.start()
		first, second := w.create(app("first")), w.create(app("second"))
		w.wait(settled)
		w.delete(first)
		w.wait(settled)
		abandoned = true
		w.delete(second)
		w.wait(settled)
		if w.exists(first) || w.exists(second) {
			t.Error("an object is held")
		}
		if w.apps.finalized("first") != 1 || w.apps.finalized("second") != 0 {
			t.Errorf("finalized %d and %d times", w.apps.finalized("first"), w.apps.finalized("second"))
		}
	})
}

// As long as it cannot be told whether the kind is on its way out, nothing is undone.
func TestFinalizerWithoutAnAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		asked := 0
		w.config.Abandoned = func(context.Context, schema.GroupKind) (bool, error) {
			if asked++; asked < 4 {
				return false, errors.New("the API server does not answer")
			}
			return true, nil
		}
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		w.delete(key)
		w.wait(time.Hour)
		if w.exists(key) || w.apps.finalized("it") != 0 || asked != 4 {
			t.Errorf("exists: %t, finalized %d times, asked %d times", w.exists(key), w.apps.finalized("it"), asked)
		}
	})
}
