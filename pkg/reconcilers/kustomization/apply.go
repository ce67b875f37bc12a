package kustomization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/render"
)

// stageTimeout is how long a stage may take to become healthy before the next
// one is given up.
const stageTimeout = time.Minute

// plan compares what was built with what is remembered.
func (p *pass) plan(ctx context.Context, built render.Output) (*apply.Plan, error) {
	p.digest = built.Digest
	inventory, err := p.inventory()
	if err != nil {
		return nil, p.failed(api.ReasonReconciliationFailed, err)
	}
	request := apply.Request{
		Owner: p.owner(), Objects: built.Objects, Inventory: inventory,
		Ignore: p.obj.Spec.Ignore, Rules: p.rules, Force: p.obj.Spec.Force,
		Resync: p.resyncs.Due(p.owner(), p.started),
	}
	if common := p.obj.Spec.CommonMetadata; common != nil {
		request.CommonLabels, request.CommonAnnotations = common.Labels, common.Annotations
	}
	plan, err := p.applier.Plan(ctx, request)
	if err != nil {
		return nil, p.failed(api.ReasonReconciliationFailed, err)
	}
	return plan, nil
}

func (p *pass) inventory() (apply.Inventory, error) {
	if p.obj.Status.Inventory == nil {
		return nil, nil
	}
	return apply.ReadInventory(p.obj.Status.Inventory.Entries)
}

// writeAhead adds what is about to be created to the inventory and says whether
// that has to be saved first: an object that nobody has on record would be an
// orphan if the process died behind its creation.
func (p *pass) writeAhead(plan *apply.Plan) bool {
	if len(plan.Additions) == 0 {
		return false
	}
	before, err := p.inventory()
	if err != nil {
		return false // plan has read it before
	}
	p.obj.Status.Inventory = &api.ResourceInventory{Entries: before.Union(plan.Additions).Refs()}
	return true
}

// apply carries out the plan, as far as it goes for now.
func (p *pass) apply(ctx context.Context, plan *apply.Plan) error {
	outcome, err := p.applier.Apply(ctx, plan)
	p.changes = outcome.Changes
	if outcome.Changes.Wrote() {
		p.moved = true
		p.publish(events.Info, api.ReasonProgressing, withWarnings(outcome.Changes.Lines(apply.Created, apply.Configured), outcome.Warnings))
	}
	if err != nil {
		return p.failed(api.ReasonReconciliationFailed, err)
	}
	if len(outcome.Waiting) > 0 {
		return p.wait(ctx, outcome)
	}
	return nil
}

func withWarnings(text string, warnings []string) string {
	if len(warnings) == 0 {
		return text
	}
	return text + "\nwarning: " + strings.Join(warnings, "\nwarning: ")
}

// wait parks the object until a stage is healthy, or fails once that has taken
// too long. When the wait began is read from the condition that tells of it, so
// that a restart does not extend it.
func (p *pass) wait(ctx context.Context, outcome apply.Outcome) error {
	var subjects []string
	for _, e := range outcome.Waiting {
		subjects = append(subjects, e.String())
	}
	message := fmt.Sprintf("waiting for %s to be ready, for revision %s", strings.Join(subjects, ", "), p.revision)
	began := p.started
	if c := conditions.Get(p.list, api.ConditionReady); c != nil && c.Message == message {
		began = c.LastTransitionTime.Time
	}
	left := stageTimeout - p.started.Sub(began)
	if left <= 0 {
		report, err := p.applier.Health(ctx, p.owner(), outcome.Waiting)
		if err == nil {
			err = fmt.Errorf("timeout waiting for: [%s]", findings(report))
		}
		return p.failed(api.ReasonReconciliationFailed, err)
	}
	if outcome.Recheck > 0 {
		left = min(left, outcome.Recheck)
	}
	return &fault.WaitingError{Reason: api.ReasonProgressing, Err: errors.New(message), After: left, Quiet: true}
}

// prune deletes what is no longer wanted. The inventory is exact afterwards but
// for what could not be deleted, or is held.
func (p *pass) prune(ctx context.Context, plan *apply.Plan) error {
	keep := plan.Inventory
	var failure error
	var v verdict
	if p.obj.Spec.Prune && len(plan.Stale) > 0 {
		var err error
		if v, err = p.sentence(ctx, plan); err != nil {
			return err
		}
		var left apply.Inventory
		left, failure = p.execute(ctx, v.doomed)
		keep = keep.Union(v.held).Union(left)
	}
	p.obj.Status.Inventory = &api.ResourceInventory{Entries: keep.Refs()}
	switch {
	case failure != nil:
		return p.failed(api.ReasonPruneFailed, failure)
	case v.why != nil:
		return p.failed(v.reason, v.why)
	}
	return nil
}

// execute deletes objects, tells of it, and returns those that are left.
func (p *pass) execute(ctx context.Context, doomed apply.Inventory) (left apply.Inventory, err error) {
	if len(doomed) == 0 {
		return nil, nil
	}
	changes, left, err := p.applier.Prune(ctx, p.owner(), doomed)
	if len(changes) > 0 {
		p.moved = true
		p.publish(events.Info, api.ReasonProgressing, changes.Lines(apply.Deleted, apply.Skipped))
	}
	return left, err
}
