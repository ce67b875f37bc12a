package engine

import (
	"context"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// slowRun is how long a run may last before people are told that it runs.
const slowRun = time.Second

// announcement is the early status write of a run that lasts. A run that merely looks
// whether all is well is not announced until it says that it is not.
type announcement struct {
	timer *time.Timer
	write func()

	mu    sync.Mutex // held while the early write is under way; guards the fields below
	over  bool       // the run has ended, or was announced
	slow  bool       // it has lasted for a while
	worth bool       // people wait for it, or it does something
}

// announce marks the object Reconciling if the run is still going after a
// while, so that people see that it was noticed. The context is for the run.
func (r *run) announce(ctx context.Context, requested bool) (*announcement, context.Context) {
	settled := conditions.IsTrue(r.base.GetConditions(), api.ConditionReady) && r.base.GetObservedGeneration() == r.base.GetGeneration()
	a := &announcement{worth: requested || !settled, write: func() { r.inProgress(ctx, settled) }}
	a.timer = time.AfterFunc(slowRun, func() { a.note(func() { a.slow = true }) })
	return a, reconcilers.WithBusy(ctx, func() { a.note(func() { a.worth = true }) })
}

// note changes a and announces the run if it is time to.
func (a *announcement) note(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if change(); a.over || !a.slow || !a.worth {
		return
	}
	a.over = true
	a.write()
}

// inProgress saves that the object is being reconciled.
func (r *run) inProgress(ctx context.Context, settled bool) {
	early := r.base.DeepCopyObject().(api.Object)
	s := settlement{obj: early, now: time.Now()}
	s.set(api.ConditionReconciling, metav1.ConditionTrue, api.ReasonProgressing, "reconciliation in progress")
	if !settled {
		s.set(api.ConditionReady, metav1.ConditionUnknown, api.ReasonProgressing, "reconciliation in progress")
	}
	if _, err := r.save(ctx, early); err != nil && ctx.Err() == nil {
		r.log.V(1).Info("cannot announce a long run", "error", err.Error())
	}
}

// stop waits for an early write under way and prevents a later one.
func (a *announcement) stop() {
	a.timer.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}
