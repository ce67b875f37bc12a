package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Whatever happens while objects run, and however the watch lags, in the end every
// object has been reconciled at its last generation, every request is answered,
// every reader has seen the last revision of what it reads, nobody ran for an object
// that is gone, and the watchdog had nothing to do. No timer helps: the intervals
// are longer than the test.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { storm(t, w, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

const stormNames = 8

func storm(t *testing.T, w *world, r *rand.Rand) {
	dependent(w)
	w.config.Timing = Timing{MinRetry: time.Second, MaxRetry: 2 * time.Second}
	var mu sync.Mutex
	applied := make(map[string]string) // by app, what it saw of its source
	chance := func(n int) bool {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n) == 0
	}
	pause := func() {
		mu.Lock()
		d := time.Duration(r.IntN(1500)) * time.Millisecond
		mu.Unlock()
		time.Sleep(d) // of the bubble's clock
	}
	w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
		pause()
		if chance(6) {
			return reconcilers.Result{}, errors.New("the network is down")
		}
		o.Status.Artifact = &api.Artifact{Revision: o.Spec.URL}
		return reconcilers.Result{Reason: "Succeeded", Message: o.Spec.URL, Again: chance(6)}, nil
	}
	w.apps.do = func(_ context.Context, o *kustomizev1.Kustomization) (reconcilers.Result, error) {
		source, _ := w.Stored(gitKind, o.Namespace, o.Name).(*sourcev1.GitRepository)
		pause()
		if chance(8) {
			panic("nil pointer, say")
		}
		if source == nil || source.Status.Artifact == nil {
			return reconcilers.Result{}, fault.Waiting("ArtifactFailed", errors.New("no artifact"), 0)
		}
		mu.Lock()
		applied[o.Name] = source.Status.Artifact.Revision
		mu.Unlock()
		return reconcilers.Result{Reason: "Succeeded", Message: source.Status.Artifact.Revision}, nil
	}
	w.start()
	for step := range 300 {
		disturb(w, r, step, &mu)
		w.wait(time.Duration(step%7) * 100 * time.Millisecond)
	}
	w.lag(false)
	w.wait(time.Minute)         // what is being deleted goes
	for i := range stormNames { // both of every pair are there in the end
		name := fmt.Sprint("o", i)
		if !w.exists(named(name)) {
			w.create(longLived(repository(name)))
		}
		if key := (Key{GroupKind: appKind, Namespace: "edge", Name: name}); !w.exists(key) {
			w.create(longLived(app(name)))
		}
	}
	w.sources.mu.Lock()
	before := w.sources.runs["o0"]
	w.sources.mu.Unlock()
	w.wait(10 * time.Minute)
	if n := w.sources.count("o0") - before; n > 30 {
		t.Errorf("a source ran %d times after the storm: something keeps waking it", n)
	}
	for i := range stormNames {
		name := fmt.Sprint("o", i)
		source := get[*sourcev1.GitRepository](t, w.cluster, named(name))
		reader := get[*kustomizev1.Kustomization](t, w.cluster, Key{GroupKind: appKind, Namespace: "edge", Name: name})
		for _, o := range []api.Object{source, reader} {
			if o.GetDeletionTimestamp() != nil {
				t.Errorf("%s %s is still being deleted", o.GetObjectKind().GroupVersionKind().Kind, name)
				continue
			}
			if o.GetObservedGeneration() != o.GetGeneration() || o.GetLastHandledReconcileAt() != o.GetAnnotations()[api.AnnotationReconcileRequest] {
				t.Errorf("%s %s: observed %d of %d, handled %q of %q: %v", o.GetObjectKind().GroupVersionKind().Kind, name,
					o.GetObservedGeneration(), o.GetGeneration(), o.GetLastHandledReconcileAt(),
					o.GetAnnotations()[api.AnnotationReconcileRequest], summary(o.GetConditions()))
			}
		}
		if reader.GetDeletionTimestamp() == nil && applied[name] != source.Spec.URL {
			t.Errorf("%s applied %q, want %q", name, applied[name], source.Spec.URL)
		}
	}
}

func longLived[T api.Object](o T) T {
	switch o := any(o).(type) {
	case *sourcev1.GitRepository:
		o.Spec.Interval.Duration = 1000 * time.Hour
	case *kustomizev1.Kustomization:
		o.Spec.Interval.Duration = 1000 * time.Hour
	}
	return o
}

// disturb does something to some object, or to the watch.
func disturb(w *world, r *rand.Rand, step int, mu *sync.Mutex) {
	mu.Lock()
	what, name := r.IntN(12), fmt.Sprint("o", r.IntN(stormNames))
	mu.Unlock()
	source, reader := named(name), Key{GroupKind: appKind, Namespace: "edge", Name: name}
	alive := func(key Key) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.live[key] != nil && w.live[key].GetDeletionTimestamp() == nil
	}
	switch {
	case what == 0:
		w.lag(true)
	case what == 1:
		w.lag(false)
	case what == 2:
		w.skip()
	case what == 3 && alive(source):
		w.delete(source)
	case what == 4 && alive(reader):
		w.delete(reader)
	case what < 8 && alive(source):
		edit(w.cluster, source, func(o *sourcev1.GitRepository) { o.Spec.URL = fmt.Sprint("https://example.com/", step) })
	case what < 8 && !w.exists(source):
		w.create(longLived(repository(name)))
	case what < 10 && alive(reader):
		edit(w.cluster, reader, func(o *kustomizev1.Kustomization) { o.Spec.Path = fmt.Sprint(step) })
	case what < 10 && !w.exists(reader):
		w.create(longLived(app(name)))
	case what == 10 && alive(source):
		w.annotate(source, fmt.Sprint(step))
	case what == 11 && alive(reader):
		w.annotate(reader, fmt.Sprint(step))
	}
}
