package engine

import (
	"context"
	"slices"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
)

// release saves the status of an object that is not reconciled and takes our
// finalizer off it, if there is one from before.
func (r *run) release(ctx context.Context, work api.Object) time.Duration {
	if _, err := r.save(ctx, work); err != nil {
		return r.excuse(ctx, err, "save the status")
	}
	r.engine.table.with(r.key, func(s *state) { s.failures, s.cold = 0, false })
	finalizers := r.base.GetFinalizers()
	if slices.Contains(finalizers, api.Finalizer) {
		left := slices.DeleteFunc(slices.Clone(finalizers), func(f string) bool { return f == api.Finalizer })
		if err := r.patchFinalizers(ctx, left); err != nil {
			return r.excuse(ctx, err, "remove the finalizer")
		}
	}
	return never
}
