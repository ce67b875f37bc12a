package kustomization

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/forecast"
)

// hurried is an applier of another cluster, which may be slow on purpose: a pass over
// it holds a worker for the timeout of the object at most.
type hurried struct {
	applier
	until   time.Time
	timeout time.Duration
}

// slowError is why a pass over another cluster was given up.
type slowError struct{ timeout time.Duration }

func (e slowError) Error() string {
	return fmt.Sprintf("the cluster took longer than the timeout of %s", e.timeout)
}

func (h hurried) hurry(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(ctx, h.until, slowError{h.timeout})
}

// explain replaces the error of a deadline by why there was one.
func explain(ctx context.Context, err error) error {
	if slow, ok := context.Cause(ctx).(slowError); ok && err != nil {
		return slow
	}
	return err
}

// Plan implements [writer].
func (h hurried) Plan(ctx context.Context, r apply.Request) (*apply.Plan, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	plan, err := h.applier.Plan(ctx, r)
	return plan, explain(ctx, err)
}

// Apply implements [writer].
func (h hurried) Apply(ctx context.Context, plan *apply.Plan) (apply.Outcome, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	outcome, err := h.applier.Apply(ctx, plan)
	return outcome, explain(ctx, err)
}

// Doomed implements [writer].
func (h hurried) Doomed(ctx context.Context, owner apply.Owner, stale apply.Inventory) (apply.Inventory, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	doomed, err := h.applier.Doomed(ctx, owner, stale)
	return doomed, explain(ctx, err)
}

// Prune implements [writer].
func (h hurried) Prune(ctx context.Context, owner apply.Owner, stale apply.Inventory) (apply.Changes, apply.Inventory, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	changes, left, err := h.applier.Prune(ctx, owner, stale)
	return changes, left, explain(ctx, err)
}

// Health implements [watcher].
func (h hurried) Health(ctx context.Context, owner apply.Owner, entries apply.Inventory) (apply.Report, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	report, err := h.applier.Health(ctx, owner, entries)
	return report, explain(ctx, err)
}

// Ready implements [watcher].
func (h hurried) Ready(ctx context.Context, owner apply.Owner, entries apply.Inventory) (apply.Report, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	report, err := h.applier.Ready(ctx, owner, entries)
	return report, explain(ctx, err)
}

// Remaining implements [watcher].
func (h hurried) Remaining(ctx context.Context, owner apply.Owner, entries apply.Inventory) (apply.Inventory, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	left, err := h.applier.Remaining(ctx, owner, entries)
	return left, explain(ctx, err)
}

// Forecast implements [foreteller].
func (h hurried) Forecast(ctx context.Context, f apply.Foresight) ([]forecast.Object, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	objects, err := h.applier.Forecast(ctx, f)
	return objects, explain(ctx, err)
}

// ForecastPrune implements [foreteller].
func (h hurried) ForecastPrune(ctx context.Context, owner apply.Owner, stale apply.Inventory) ([]forecast.Object, error) {
	ctx, cancel := h.hurry(ctx)
	defer cancel()
	objects, err := h.applier.ForecastPrune(ctx, owner, stale)
	return objects, explain(ctx, err)
}
