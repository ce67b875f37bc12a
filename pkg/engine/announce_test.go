package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

func TestAnnouncement(t *testing.T) {
	const atWork = "reconciliation in progress"
	failed := conditionsOf([4]string{"Ready", "False", "Failed", "it broke"})
	ready := conditionsOf([4]string{"Ready", "True", "Succeeded", "done"})
	tests := map[string]struct {
		takes  time.Duration
		prior  func(*sourcev1.GitRepository)
		writes int
		early  map[string]string // while the run goes on
	}{
		"a short run": {takes: 900 * time.Millisecond, writes: 1, early: map[string]string{}},
		"a new object": {takes: 3 * time.Second, writes: 2, early: map[string]string{
			"Ready": "Unknown Progressing: " + atWork, "Reconciling": "True Progressing: " + atWork,
		}},
		"one that is ready": {
			takes: 3 * time.Second, writes: 2,
			prior: func(o *sourcev1.GitRepository) { o.Status.Conditions, o.Status.ObservedGeneration = ready, 1 },
			early: map[string]string{"Ready": "True Succeeded: done", "Reconciling": "True Progressing: " + atWork},
		},
		"one that was ready with another spec": {
			takes: 3 * time.Second, writes: 2,
			prior: func(o *sourcev1.GitRepository) { o.Status.Conditions, o.Status.ObservedGeneration = ready, 0 },
			early: map[string]string{"Ready": "Unknown Progressing: " + atWork, "Reconciling": "True Progressing: " + atWork},
		},
		"one that failed": {
			takes: 3 * time.Second, writes: 2,
			prior: func(o *sourcev1.GitRepository) { o.Status.Conditions, o.Status.ObservedGeneration = failed, 1 },
			early: map[string]string{"Ready": "Unknown Progressing: " + atWork, "Reconciling": "True Progressing: " + atWork},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.sources.do = func(context.Context, *sourcev1.GitRepository) (reconcilers.Result, error) {
					time.Sleep(test.takes) // of the bubble's clock
					return reconcilers.Result{Reason: "Succeeded", Message: "done"}, nil
				}
				o := repository("it")
				o.Annotations = map[string]string{api.AnnotationReconcileRequest: "now"}
				if test.prior != nil {
					test.prior(o)
				}
				key := w.create(o)
				w.start()
				w.wait(slowRun)
				if test.takes > slowRun {
					w.wantConditions(key, test.early)
					if handled := get[api.Object](t, w.cluster, key).GetLastHandledReconcileAt(); handled != "" {
						t.Errorf("the request counts as handled (%s) while the run goes on", handled)
					}
				}
				w.wait(time.Minute)
				w.wantConditions(key, map[string]string{"Ready": "True Succeeded: done"})
				if n := len(w.written()); n != test.writes {
					t.Errorf("%d writes, want %d", n, test.writes)
				}
				w.wantRuns(map[string]int{"it": 1})
			})
		})
	}
}

// Looking whether all is well is no news, however long it takes. Doing something about
// it is, once that has been noticed.
func TestAnnouncementOfRoutine(t *testing.T) {
	for name, test := range map[string]struct {
		busy   time.Duration // when the run finds something to do; zero is never
		early  bool          // people are told
		writes int
	}{
		"nothing to do":              {},
		"something to do at once":    {busy: time.Millisecond, early: true, writes: 2},
		"something to do late":       {busy: 2 * time.Second, early: true, writes: 2},
		"something to do at the end": {busy: 4 * time.Second, writes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.sources.do = func(ctx context.Context, _ *sourcev1.GitRepository) (reconcilers.Result, error) {
					if test.busy > 0 {
						time.Sleep(test.busy) // of the bubble's clock
						reconcilers.Busy(ctx)
						reconcilers.Busy(ctx)
					}
					time.Sleep(4*time.Second - test.busy)
					return reconcilers.Result{Reason: "Succeeded", Message: "done"}, nil
				}
				o := repository("it")
				o.Status.Conditions, o.Status.ObservedGeneration = conditionsOf([4]string{"Ready", "True", "Succeeded", "done"}), 1
				key := w.create(o)
				w.start()
				w.wait(3 * time.Second)
				want := map[string]string{"Ready": "True Succeeded: done"}
				if test.early {
					want["Reconciling"] = "True Progressing: reconciliation in progress"
				}
				w.wantConditions(key, want)
				w.wait(time.Minute)
				w.wantConditions(key, map[string]string{"Ready": "True Succeeded: done"})
				if n := len(w.written()); n != test.writes {
					t.Errorf("%d writes, want %d", n, test.writes)
				}
			})
		})
	}
	reconcilers.Busy(t.Context()) // of no run, which is no harm
}

// An early write that fails does no harm.
func TestAnnouncementRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		tries := 0
		w.before = func(string, Key) error {
			if tries++; tries == 1 {
				return errors.New("the API server is not there")
			}
			return nil
		}
		w.sources.do = func(context.Context, *sourcev1.GitRepository) (reconcilers.Result, error) {
			time.Sleep(2 * time.Second) // of the bubble's clock
			return reconcilers.Result{Reason: "Succeeded", Message: "done"}, nil
		}
		w.start()
		key := w.create(repository("it"))
		w.wait(time.Minute)
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: done"})
		w.wantRuns(map[string]int{"it": 1})
	})
}
