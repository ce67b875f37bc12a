package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// A suspended object rests: it answers requests and does nothing.
func TestSuspended(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		w.written()
		edit(w.cluster, key, func(o *kustomizev1.Kustomization) { o.Spec.Suspend = true })
		w.wait(settled)
		w.annotate(key, "now")
		w.wait(24 * time.Hour)
		stored := get[*kustomizev1.Kustomization](t, w.cluster, key)
		if w.apps.count("it") != 1 || stored.Status.LastHandledReconcileAt != "now" || stored.Status.ObservedGeneration != 2 {
			t.Errorf("ran %d times, handled %q, observed %d", w.apps.count("it"), stored.Status.LastHandledReconcileAt, stored.Status.ObservedGeneration)
		}
		w.wantWrites("status "+key.String(), "status "+key.String())
		edit(w.cluster, key, func(o *kustomizev1.Kustomization) { o.Spec.Suspend = false })
		w.wait(settled)
		if w.apps.count("it") != 2 {
			t.Error("a resumed object does not run")
		}
		w.delete(key)
		w.wait(settled)
	})
}

func TestSuspendedObjectsAreDeleted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		key := w.create(app("it"))
		w.wait(settled)
		edit(w.cluster, key, func(o *kustomizev1.Kustomization) { o.Spec.Suspend = true })
		w.delete(key)
		w.wait(settled)
		if w.exists(key) || w.apps.finalized("it") != 1 {
			t.Errorf("exists: %t, finalized %d times", w.exists(key), w.apps.finalized("it"))
		}
	})
}

// A suspended source is loaded into memory once, for its readers, and again when
// one of them finds it missing. Its status stays.
func TestRefill(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dependent(w)
		inMemory, tries := false, 0
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			if tries++; tries == 1 {
				return reconcilers.Result{}, errors.New("no network")
			}
			inMemory = true
			o.Status.Artifact = &api.Artifact{Revision: "newer"}
			return reconcilers.Result{Reason: "Succeeded", Message: "newer"}, nil
		}
		w.apps.do = func(context.Context, *kustomizev1.Kustomization) (reconcilers.Result, error) {
			if !inMemory {
				return reconcilers.Result{}, fault.Cold("ArtifactFailed", errors.New("not loaded"), time.Hour)
			}
			return reconcilers.Result{Reason: "Succeeded", Message: "applied"}, nil
		}
		source := repository("it")
		source.Spec.Suspend = true
		source.Status.ObservedGeneration = 1
		source.Status.Artifact = &api.Artifact{Revision: "recorded"}
		source.Status.Conditions = conditionsOf([4]string{"Ready", "True", "Succeeded", "recorded"})
		key := w.create(source)
		reader := w.create(app("it"))
		w.start()
		w.wait(10 * time.Second)
		w.wantConditions(reader, map[string]string{"Ready": "True Succeeded: applied"})
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: recorded"})
		if r := get[*sourcev1.GitRepository](t, w.cluster, key).Status.Artifact.Revision; r != "recorded" {
			t.Errorf("a suspended source moved to %s", r)
		}
		w.wait(time.Hour)
		loaded := tries
		inMemory = false // evicted
		w.engine.Wake(reader)
		w.wait(settled)
		if !inMemory || tries != loaded+1 {
			t.Errorf("in memory again: %t, after %d loads", inMemory, tries-loaded)
		}
	})
}

// After a restart a consumer that is ready stays so while its source is loaded, and
// runs the moment that it is.
func TestColdStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dependent(w)
		var mu sync.Mutex // guards the times
		var loadedAt, appliedAt time.Time
		w.sources.do = func(context.Context, *sourcev1.GitRepository) (reconcilers.Result, error) {
			time.Sleep(20 * time.Second) // of the bubble's clock
			mu.Lock()
			defer mu.Unlock()
			if loadedAt.IsZero() {
				loadedAt = time.Now()
			}
			return reconcilers.Result{Reason: "Succeeded", Message: "loaded"}, nil
		}
		w.apps.do = func(context.Context, *kustomizev1.Kustomization) (reconcilers.Result, error) {
			mu.Lock()
			defer mu.Unlock()
			if loadedAt.IsZero() {
				return reconcilers.Result{}, fault.Cold("ArtifactFailed", errors.New("not loaded"), time.Hour)
			}
			if appliedAt.IsZero() {
				appliedAt = time.Now()
			}
			return reconcilers.Result{Reason: "Succeeded", Message: "applied"}, nil
		}
		source, reader := repository("it"), app("it")
		source.Status.ObservedGeneration, reader.Status.ObservedGeneration = 1, 1
		source.Status.Conditions = conditionsOf([4]string{"Ready", "True", "Succeeded", "loaded"})
		reader.Status.Conditions = conditionsOf([4]string{"Ready", "True", "Succeeded", "applied"})
		reader.Finalizers = []string{api.Finalizer}
		w.create(source)
		key := w.create(reader)
		w.start()
		w.wait(10 * time.Second)
		w.wantConditions(key, map[string]string{"Ready": "True Succeeded: applied"})
		w.wait(time.Minute)
		if appliedAt != loadedAt {
			t.Errorf("applied %s after the source was loaded", appliedAt.Sub(loadedAt))
		}
		for _, write := range w.written() {
			if write == "status "+key.String() {
				t.Error("a consumer's status was written although nothing changed")
			}
		}
	})
}
