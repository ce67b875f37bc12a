package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// finalize undoes what was done for a deleted object and lets it go.
func (r *run) finalize(ctx context.Context) time.Duration {
	finalizers := r.base.GetFinalizers()
	if !slices.Contains(finalizers, api.Finalizer) {
		return never // others hold it; its end will be told
	}
	abandoned, err := r.abandoned(ctx)
	if err != nil {
		return r.excuse(ctx, err, "see whether the definition of the kind is being deleted")
	}
	if abandoned {
		r.log.Info("the definition of the kind is being deleted; what was applied stays")
	} else if after, ok := r.undo(ctx, r.base); !ok {
		return after
	}
	left := slices.DeleteFunc(slices.Clone(finalizers), func(f string) bool { return f == api.Finalizer })
	if err := r.patchFinalizers(ctx, left); err != nil {
		return r.excuse(ctx, err, "remove the finalizer")
	}
	r.log.Info("finalized")
	return never
}

// abandoned says whether the kind is on its way out. Without an answer nothing is undone:
// what is deleted by mistake is lost.
func (r *run) abandoned(ctx context.Context) (bool, error) {
	if r.engine.Abandoned == nil {
		return false, nil
	}
	return r.engine.Abandoned(ctx, r.key.GroupKind)
}

// undo runs the finalization of obj and says whether it is complete, or else
// when to go on. What it changed of the status is saved.
func (r *run) undo(ctx context.Context, obj api.Object) (after time.Duration, ok bool) {
	work := obj.DeepCopyObject().(api.Object)
	err := r.callFinalize(ctx, work)
	if err == nil {
		r.engine.table.with(r.key, func(s *state) { s.failures = 0 })
		return 0, true
	}
	failures := 0
	r.engine.table.with(r.key, func(s *state) { failures = s.failures })
	v := settle(work, ending{err: err}, r.plugin.Options(), r.engine.Timing, failures, time.Now())
	r.report(ending{err: err}, 0)
	r.engine.table.with(r.key, func(s *state) { s.failures = v.failures })
	if r.base != nil {
		changed, err := r.save(ctx, work)
		if err != nil {
			return r.excuse(ctx, err, "save the status"), false
		}
		r.tell(work, v, changed)
	}
	if v.after == never {
		v.after = r.engine.Timing.MaxRetry
	}
	return v.after, false
}

func (r *run) callFinalize(ctx context.Context, work api.Object) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error(fmt.Errorf("panic: %v", p), "finalizer panicked", "stack", string(debug.Stack()))
			err = errors.New("internal error: the finalizer panicked, see the log")
		}
	}()
	defer r.engine.Ledger.enter(r.key)()
	return r.plugin.Finalize(ctx, work)
}

// bury finalizes an object that is gone already, where its kind needs no
// finalizer, and forgets it. A kind that needs one says by its absence that
// nothing is to be undone: somebody took it off.
func (r *run) bury(ctx context.Context) time.Duration {
	var last api.Object
	r.engine.table.with(r.key, func(s *state) { last = s.buried })
	if last != nil && r.leftovers(last) {
		if after, ok := r.undo(ctx, last); !ok {
			return after
		}
	}
	if r.engine.Observer != nil {
		r.engine.Observer.Forgotten(r.key)
	}
	return gone
}

// leftovers says whether an object that is gone has yet to be finalized.
func (r *run) leftovers(last api.Object) bool {
	return !r.plugin.Options().Finalizer && !slices.Contains(last.GetFinalizers(), api.Finalizer)
}

// succeed finalizes the predecessor of an object that was deleted and created
// again under its name before anybody looked, and says whether that is complete,
// or else when to go on.
func (r *run) succeed(ctx context.Context, obj metav1.Object) (after time.Duration, ok bool) {
	var last api.Object
	r.engine.table.with(r.key, func(s *state) { last = s.buried })
	if obj == nil || last == nil {
		return 0, true
	}
	if last.GetUID() != obj.GetUID() {
		if r.leftovers(last) {
			if after, ok := r.undo(ctx, last); !ok {
				return after, false
			}
		}
		r.engine.table.with(r.key, func(s *state) { *s = state{queued: s.queued, running: true} })
		return 0, true
	}
	r.engine.table.with(r.key, func(s *state) { s.buried = nil })
	return 0, true
}
