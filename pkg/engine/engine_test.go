package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Objects that never get healthy wait as state: no worker is held by one, and the
// next object is run the moment it appears.
func TestWaitingHoldsNobodyUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.apps.do = func(_ context.Context, obj *kustomizev1.Kustomization) (reconcilers.Result, error) {
			if obj.Name == "healthy" {
				return reconcilers.Result{Reason: "Succeeded"}, nil
			}
			return reconcilers.Result{}, fault.Waiting(api.ReasonProgressing, errors.New("not healthy"), 5*time.Minute)
		}
		w.start()
		for i := range 200 {
			w.create(app(fmt.Sprintf("sick-%d", i)))
		}
		w.wait(settled)
		w.apps.mu.Lock()
		ran, busy := len(w.apps.runs), w.apps.busy
		w.apps.mu.Unlock()
		if ran != 200 || busy != 0 {
			t.Fatalf("%d of 200 objects ran and %d workers are held", ran, busy)
		}
		created := time.Now()
		var began time.Time
		inner := w.apps.do
		w.apps.do = func(ctx context.Context, obj *kustomizev1.Kustomization) (reconcilers.Result, error) {
			if obj.Name == "healthy" {
				began = time.Now()
			}
			return inner(ctx, obj)
		}
		w.create(app("healthy"))
		w.wait(settled)
		if began != created {
			t.Errorf("the next object had to wait: created %s, ran %s", created, began)
		}
		w.wait(time.Hour)
		if n := w.apps.count("sick-0"); n < 12 {
			t.Errorf("an unhealthy object ran %d times in an hour, want every five minutes", n)
		}
	})
}

// A kind whose workers are all held does not delay another kind.
func TestLanes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.apps.do = func(context.Context, *kustomizev1.Kustomization) (reconcilers.Result, error) {
			<-release
			return reconcilers.Result{Reason: "Succeeded"}, nil
		}
		w.start()
		for i := range 5 {
			w.create(app(fmt.Sprintf("slow-%d", i)))
		}
		w.wait(time.Minute)
		w.create(repository("quick"))
		w.wait(settled)
		w.wantRuns(map[string]int{"quick": 1})
		w.apps.mu.Lock()
		busy := w.apps.busy
		w.apps.mu.Unlock()
		if busy != 2 {
			t.Errorf("%d apps run at once, want the two that there are workers for", busy)
		}
		close(release)
		w.wait(settled)
	})
}

// At the end a run that is under way gets its grace and has its status saved, and
// what is queued stays for the next process.
func TestShutdownSavesWhatRuns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var interrupted []string
		w.sources.do = func(ctx context.Context, obj *sourcev1.GitRepository) (reconcilers.Result, error) {
			select {
			case <-time.After(5 * time.Second): // within the grace
				return reconcilers.Result{Reason: "Succeeded", Message: "just in time"}, nil
			case <-ctx.Done():
				interrupted = append(interrupted, obj.Name)
				return reconcilers.Result{}, ctx.Err()
			}
		}
		w.start()
		var keys []Key
		for i := range 6 {
			keys = append(keys, w.create(repository(fmt.Sprintf("r%d", i))))
		}
		w.wait(settled)
		asked := time.Now()
		w.end()
		if took := time.Since(asked); took != 5*time.Second-settled {
			t.Errorf("the end took %s, want until the runs were over", took)
		}
		if len(interrupted) > 0 {
			t.Errorf("interrupted within the grace: %v", interrupted)
		}
		ready := 0
		for _, key := range keys {
			if len(get[api.Object](t, w.cluster, key).GetConditions()) > 0 {
				w.wantConditions(key, map[string]string{"Ready": "True Succeeded: just in time"})
				ready++
			}
		}
		w.sources.mu.Lock()
		defer w.sources.mu.Unlock()
		if ready != 2 || len(w.sources.runs) != 2 {
			t.Errorf("%d objects ran and %d were saved, want the two that were running", len(w.sources.runs), ready)
		}
	})
}

// A run that outlasts the grace is cut off, and nothing is reported of it.
func TestShutdownCutsOffWhatLasts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sources.do = func(ctx context.Context, _ *sourcev1.GitRepository) (reconcilers.Result, error) {
			<-ctx.Done()
			return reconcilers.Result{}, ctx.Err()
		}
		w.start()
		key := w.create(repository("endless"))
		w.wait(2 * time.Second)
		w.wantWrites("status " + key.String()) // the early one
		asked := time.Now()
		w.end()
		if took := time.Since(asked); took != w.config.Grace {
			t.Errorf("the end took %s, want the grace of %s", took, w.config.Grace)
		}
		w.wantWrites()
	})
}

// Steps stop between two of them, where the status is saved.
func TestShutdownStopsBetweenSteps(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sources.do = func(context.Context, *sourcev1.GitRepository) (reconcilers.Result, error) {
			time.Sleep(500 * time.Millisecond) // of the bubble's clock
			return reconcilers.Result{Again: true, Progress: "one step further"}, nil
		}
		w.start()
		key := w.create(repository("steps"))
		w.wait(800 * time.Millisecond)
		asked := time.Now()
		w.end()
		if took := time.Since(asked); took > 500*time.Millisecond {
			t.Errorf("the end took %s, want no longer than the step", took)
		}
		w.wantConditions(key, map[string]string{
			"Ready": "Unknown Progressing: one step further", "Reconciling": "True Progressing: one step further",
		})
	})
}

func TestNothingRunsBeforeTheListing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.create(repository("early"))
		w.start()
		w.end()
		e := New(w.config)
		if _, err := e.Listen(); err != nil {
			t.Fatal(err)
		}
		before := w.sources.count("early")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.Run(ctx, make(chan struct{})); err != nil {
			t.Error(err)
		}
		if w.sources.count("early") != before {
			t.Error("an object ran although not all were known")
		}
	})
}
