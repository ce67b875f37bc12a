package engine

import (
	"context"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// An object that is a mere description has no status and no finalizer of ours,
// whatever it had before, and costs nothing from then on.
func TestStatic(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		static := false
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			if static {
				o.Status = sourcev1.GitRepositoryStatus{}
				return reconcilers.Result{Static: true}, nil
			}
			return reconcilers.Result{Reason: "Succeeded", Message: "done"}, nil
		}
		w.start()
		obj := repository("it")
		obj.Finalizers = []string{"others", api.Finalizer}
		key := w.create(obj)
		w.wait(settled)
		w.written()
		static = true
		edit(w.cluster, key, func(o *sourcev1.GitRepository) { o.Spec.URL = "https://example.com/other" })
		w.wait(settled)
		stored := get[*sourcev1.GitRepository](t, w.cluster, key)
		if s := stored.Status; len(s.Conditions) > 0 || s.ObservedGeneration != 0 || len(stored.Finalizers) != 1 || stored.Finalizers[0] != "others" {
			t.Errorf("the finalizers are %v, the status is %+v", stored.Finalizers, s)
		}
		w.wantWrites("status "+key.String(), "finalizers "+key.String())
		runs := w.sources.count("it")
		w.wait(24 * time.Hour)
		if got := w.sources.count("it"); got != runs {
			t.Errorf("it ran %d more times", got-runs)
		}
		w.wantWrites()
		w.annotate(key, "now")
		w.wait(settled)
		if got := w.sources.count("it"); got != runs+1 {
			t.Error("it does not run when it is asked to")
		}
		w.wantWrites()
	})
}
