package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Where an object stands is told for every way in which a run can end.
func TestState(t *testing.T) {
	source := reconcilers.NewRef(gitKind, "edge", "repo")
	for name, c := range map[string]struct {
		err  error
		want State // without times and references
		due  bool
	}{
		"ready":               {nil, State{Last: EndedReady}, true},
		"waiting for ever":    {fault.Waiting(api.ReasonDependencyNotReady, errors.New("later"), 0), State{Last: EndedWaiting, Parked: true}, false},
		"waiting for a while": {fault.Waiting(api.ReasonDependencyNotReady, errors.New("later"), time.Hour), State{Last: EndedWaiting}, true},
		"stalled":             {fault.Stalled(api.ReasonAccessDenied, errors.New("no")), State{Last: EndedStalled, Parked: true}, false},
		"cold":                {&fault.WaitingError{Reason: api.ReasonArtifactFailed, Err: errors.New("cold"), After: time.Hour, KeepReady: true}, State{Last: EndedWaiting, Cold: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.apps.refs = func(*kustomizev1.Kustomization) []reconcilers.Ref { return []reconcilers.Ref{source} }
				w.apps.do = func(context.Context, *kustomizev1.Kustomization) (reconcilers.Result, error) {
					return reconcilers.Result{Reason: "Succeeded", Message: "done"}, c.err
				}
				w.start()
				key := w.create(app("it"))
				w.wait(settled)
				got, known := w.engine.State(key)
				if !known || got.Due.IsZero() == c.due || got.Since.IsZero() || got.Ended.After(got.Since) || got.Ended.IsZero() {
					t.Errorf("known %v, %+v", known, got)
				}
				if diff := cmp.Diff([]reconcilers.Ref{source}, got.Reads); diff != "" {
					t.Errorf("reads (-want +got): %s", diff)
				}
				got.Since, got.Ended, got.Due, got.Reads = time.Time{}, time.Time{}, time.Time{}, nil
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got): %s", diff)
				}
			})
		})
	}
}

// Failures count, and what runs or is queued says since when.
func TestStateOfWork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.apps.do = func(_ context.Context, obj *kustomizev1.Kustomization) (reconcilers.Result, error) {
			if obj.Name == "slow" {
				<-release
			}
			return reconcilers.Result{}, errors.New("it fails")
		}
		w.start()
		if _, known := w.engine.State(reconcilers.NewRef(appKind, "edge", "nothing")); known {
			t.Error("something is known of what there is not")
		}
		slow := w.create(app("slow"))
		w.wait(time.Minute)
		got, _ := w.engine.State(slow)
		if !got.Running || got.Queued || time.Since(got.Since) < time.Minute || !got.Ended.IsZero() {
			t.Errorf("while it runs: %+v", got)
		}
		w.engine.Wake(slow)
		if got, _ := w.engine.State(slow); !got.Running || !got.Queued {
			t.Errorf("woken while it runs: %+v", got)
		}
		close(release)
		w.wait(settled)
		if got, _ := w.engine.State(slow); got.Running || got.Queued || got.Failures < 2 || got.Last != EndedFailed || got.Due.IsZero() {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestStateOfAHeldObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, key := t.TempDir(), reconcilers.NewRef(appKind, "edge", "it")
		for range strikes {
			l, err := OpenLedger(dir)
			if err != nil {
				t.Fatal(err)
			}
			l.enter(key) // and never leaves
		}
		l, err := OpenLedger(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Until(l.until(key)); got != firstHold {
			t.Errorf("held for %s", got)
		}
		time.Sleep(firstHold) // of the bubble's clock
		if got := l.until(key); !got.IsZero() {
			t.Errorf("still held until %s", got)
		}
	})
}
