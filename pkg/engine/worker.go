package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// visit looks at one object and does what it needs.
func (e *Engine) visit(ctx context.Context, p reconcilers.Plugin, key Key) {
	e.table.with(key, func(s *state) {
		s.queued, s.running, s.parked, s.suspect, s.since = false, true, false, false, time.Now()
	})
	e.schedule.drop(key)
	after := e.act(ctx, p, key)
	switch {
	case after == gone:
		e.Ledger.forget(key)
		e.table.forget(key, func() bool { return e.stored(key) != nil })
		return
	case after == 0:
		e.Wake(key)
	case after > 0:
		// Earlier, if somebody asked for that while the object ran.
		e.schedule.hasten(key, time.Now().Add(after))
	}
	e.table.with(key, func(s *state) {
		s.running, s.parked, s.since = false, after == never && !s.queued, time.Now()
	})
}

func (e *Engine) stored(key Key) metav1.Object {
	return e.Cache.Stored(key.GroupKind, key.Namespace, key.Name)
}

// gone is the delay of an object that is no more.
const gone = time.Duration(-2)

// act returns after how long the object is to be looked at again. What panics
// outside of the reconciler, which is looked after in call, is retried as well.
func (e *Engine) act(ctx context.Context, p reconcilers.Plugin, key Key) (after time.Duration) {
	log := e.Log.WithValues("controller", p.Options().Controller, "controllerKind", key.Kind,
		key.Kind, map[string]string{"name": key.Name, "namespace": key.Namespace},
		"namespace", key.Namespace, "name", key.Name)
	ctx = logr.NewContext(ctx, log)
	r := &run{engine: e, plugin: p, key: key, log: log}
	defer func() {
		if p := recover(); p != nil {
			after = r.excuse(ctx, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "look after the object")
		}
	}()
	if held := e.Ledger.hold(key); held > 0 {
		log.Info("held back: it was being reconciled when the process died", "for", held.String())
		return held
	}
	current := e.stored(key)
	if after, ok := r.succeed(ctx, current); !ok {
		return after
	}
	switch stored := current.(type) {
	case *kube.Undecodable:
		return r.refuse(ctx, stored)
	case api.Object:
		e.table.with(key, func(s *state) {
			r.base = newer(stored, s.latest)
			if r.base == stored {
				s.latest = nil
			}
		})
		return r.drive(ctx)
	default:
		return r.bury(ctx)
	}
}

// run is one visit to one object that exists.
type run struct {
	engine *Engine
	plugin reconcilers.Plugin
	key    Key
	log    logr.Logger
	// base is the object as it is stored, as far as we know.
	base api.Object
}

// drive decides what the object needs, and anew before every step of those that
// take several: it may have been suspended or deleted in between.
func (r *run) drive(ctx context.Context) time.Duration {
	for {
		switch {
		case r.base.GetDeletionTimestamp() != nil:
			return r.finalize(ctx)
		case r.base.IsSuspended():
			return r.rest(ctx)
		}
		if err := r.claim(ctx); err != nil {
			return r.excuse(ctx, err, "add the finalizer")
		}
		after, again := r.reconcile(ctx)
		if !again {
			return after
		}
		if r.engine.queue.closed.Load() {
			return never // the next process takes the next step
		}
	}
}

// claim adds our finalizer where the kind needs one.
func (r *run) claim(ctx context.Context) error {
	finalizers := r.base.GetFinalizers()
	if !r.plugin.Options().Finalizer || slices.Contains(finalizers, api.Finalizer) {
		return nil
	}
	return r.patchFinalizers(ctx, append(slices.Clone(finalizers), api.Finalizer))
}

// reconcile runs the reconciler once and saves what came of it.
func (r *run) reconcile(ctx context.Context) (after time.Duration, again bool) {
	e, started := r.engine, time.Now()
	work := r.base.DeepCopyObject().(api.Object)
	request := work.GetAnnotations()[api.AnnotationReconcileRequest]
	requested := request != "" && request != work.GetLastHandledReconcileAt()

	slow, running := r.announce(ctx, requested)
	end := r.call(running, work)
	slow.stop()
	if ctx.Err() != nil {
		return never, false // shutting down: nothing is reported
	}
	if end.err == nil && end.result.Static {
		return r.release(ctx, work), false
	}
	failures := 0
	e.table.with(r.key, func(s *state) { failures = s.failures })
	v := settle(work, end, r.plugin.Options(), e.Timing, failures, started)
	again = end.err == nil && end.result.Again
	if !again {
		work.SetLastHandledReconcileAt(cmp.Or(request, work.GetLastHandledReconcileAt()))
	}
	r.report(end, time.Since(started))
	changed, err := r.save(ctx, work)
	if err != nil {
		return r.excuse(ctx, err, "save the status"), false
	}
	e.table.with(r.key, func(s *state) {
		s.failures, s.cold = v.failures, v.cold
		if !again {
			s.ended, s.last = time.Now(), endOf(work, v, failures)
		}
	})
	if again {
		return 0, true
	}
	r.tell(work, v, changed || requested)
	e.observe(r.key, time.Since(started), work)
	e.follow(r.key, v.cold, end.err == nil)
	return v.after, false
}

// call runs the reconciler and turns a panic into an error.
func (r *run) call(ctx context.Context, work api.Object) (end ending) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error(fmt.Errorf("panic: %v", p), "reconciler panicked", "stack", string(debug.Stack()))
			end.err = fault.Backoff(r.plugin.Options().FailureReason, errors.New("internal error: the reconciler panicked, see the log"))
		}
	}()
	defer r.engine.Ledger.enter(r.key)()
	end.result, end.err = r.plugin.Reconcile(ctx, work)
	return end
}

// follow wakes whom the end of a run concerns although no watch will tell: a
// source whose bytes are missing from memory, or those who waited for them.
func (e *Engine) follow(key Key, cold, ok bool) {
	switch {
	case cold:
		for _, ref := range e.table.references(key) {
			if _, isSource := e.Cache.Stored(ref.GroupKind, ref.Namespace, ref.Name).(api.Source); isSource {
				e.table.with(ref, func(s *state) { s.refilled = false })
				e.Wake(ref)
			}
		}
	case ok:
		for _, dependent := range e.table.coldDependents(key) {
			e.Wake(dependent)
		}
	}
}

// excuse logs a failed write and returns the delay before the next try.
// Conflicts and objects that went away meanwhile are nobody's fault.
func (r *run) excuse(ctx context.Context, err error, doing string) time.Duration {
	switch {
	case apierrors.IsNotFound(err):
		return r.engine.Timing.MaxRetry // its deletion will be told before that
	case apierrors.IsConflict(err):
		r.reread(ctx)
		return r.engine.Timing.MinRetry
	case errors.Is(err, context.Canceled):
		return never // shutting down
	}
	var after time.Duration
	r.engine.table.with(r.key, func(s *state) { s.failures, after = r.engine.Timing.fail(s.failures, kube.Unwell(err)) })
	r.log.Error(err, "cannot "+doing, "retry", after.String())
	return after
}

func (e *Engine) working(kind schema.GroupKind, more int) {
	if e.Observer != nil {
		e.Observer.Working(kind, more)
	}
}

func (e *Engine) observe(key Key, took time.Duration, obj api.Object) {
	if e.Observer == nil {
		return
	}
	status := metav1.ConditionUnknown
	if ready := conditions.Get(obj.GetConditions(), api.ConditionReady); ready != nil {
		status = ready.Status
	}
	e.Observer.Reconciled(key, took, status)
}
