package engine

import (
	"context"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// slowRun is how long a run may last before people are told that it runs.
const slowRun = time.Second

// announcement is the early status write of a run that lasts.
type announcement struct {
	timer *time.Timer
	mu    sync.Mutex // held while the early write is under way
	over  bool       // guarded by mu
}

// announce marks the object Reconciling if the run is still going after a
// while, so that people see that it was noticed.
func (r *run) announce(ctx context.Context) *announcement {
	a := &announcement{}
	a.timer = time.AfterFunc(slowRun, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.over {
			return
		}
		early := r.base.DeepCopyObject().(api.Object)
		s := settlement{obj: early, now: time.Now()}
		s.set(api.ConditionReconciling, metav1.ConditionTrue, api.ReasonProgressing, "reconciliation in progress")
		if !conditions.IsTrue(early.GetConditions(), api.ConditionReady) || early.GetObservedGeneration() != early.GetGeneration() {
			s.set(api.ConditionReady, metav1.ConditionUnknown, api.ReasonProgressing, "reconciliation in progress")
		}
		if _, err := r.save(ctx, early); err != nil && ctx.Err() == nil {
			r.log.V(1).Info("cannot announce a long run", "error", err.Error())
		}
	})
	return a
}

// stop waits for an early write under way and prevents a later one.
func (a *announcement) stop() {
	a.timer.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}
