package engine

import (
	"context"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
)

// rest keeps a suspended object as it is. A source is loaded into memory at
// its recorded revision once, for those who read it.
func (r *run) rest(ctx context.Context) time.Duration {
	work := r.base.DeepCopyObject().(api.Object)
	if request := work.GetAnnotations()[api.AnnotationReconcileRequest]; request != "" {
		work.SetLastHandledReconcileAt(request)
	}
	_, isSource := work.(api.Source)
	if conditions.IsTrue(work.GetConditions(), api.ConditionReady) || isSource && len(work.GetConditions()) > 0 {
		work.SetObservedGeneration(work.GetGeneration())
	}
	if _, err := r.save(ctx, work); err != nil {
		return r.excuse(ctx, err, "save the status")
	}
	return r.refill(ctx)
}

func (r *run) refill(ctx context.Context) time.Duration {
	source, ok := r.base.(api.Source)
	if !ok || source.GetArtifact() == nil {
		return never
	}
	refilled, failures := false, 0
	r.engine.table.with(r.key, func(s *state) { refilled, failures = s.refilled, s.failures })
	if refilled {
		return never
	}
	end := r.call(ctx, r.base.DeepCopyObject().(api.Object))
	if end.err != nil {
		r.engine.table.with(r.key, func(s *state) { s.failures++ })
		return r.engine.Timing.backoff(failures + 1)
	}
	r.engine.table.with(r.key, func(s *state) { s.refilled, s.failures = true, 0 })
	r.engine.follow(r.key, false, true)
	return never
}
