package kustomization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	p.obj.Status.LastAttemptedRevision = p.revision
	inventory, err := p.inventory()
	if err != nil {
		return nil, p.failed(api.ReasonReconciliationFailed, err)
	}
	request := apply.Request{
		Owner: p.owner(), Objects: built.Objects, Inventory: inventory,
		Ignore: p.obj.Spec.Ignore, Force: p.obj.Spec.Force,
		Resync: p.resyncs.due(p.owner(), p.started),
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
// for what could not be deleted.
func (p *pass) prune(ctx context.Context, plan *apply.Plan) error {
	keep := plan.Inventory
	var failure error
	if p.obj.Spec.Prune && len(plan.Stale) > 0 {
		changes, left, err := p.applier.Prune(ctx, p.owner(), plan.Stale)
		if len(changes) > 0 {
			p.moved = true
			p.publish(events.Info, api.ReasonProgressing, changes.Lines(apply.Deleted, apply.Skipped))
		}
		keep, failure = keep.Union(left), err
	}
	p.obj.Status.Inventory = &api.ResourceInventory{Entries: keep.Refs()}
	if failure != nil {
		return p.failed(api.ReasonPruneFailed, failure)
	}
	return nil
}

// healthSet returns what the health of the object is made of.
func (p *pass) healthSet(plan *apply.Plan) apply.Inventory {
	self := p.owner()
	isSelf := func(e apply.Entry) bool {
		return e.Group == api.KustomizeGroup && e.Kind == api.KustomizationKind && e.Namespace == self.Namespace && e.Name == self.Name
	}
	var set apply.Inventory
	if p.obj.Spec.Wait {
		skipped := make(map[string]bool)
		for _, c := range p.changes {
			skipped[c.ID()] = c.Action == apply.Skipped
		}
		for _, e := range plan.Inventory {
			if !isSelf(e) && !skipped[e.ID()] {
				set = append(set, e)
			}
		}
		return set
	}
	for _, check := range p.obj.Spec.HealthChecks {
		e := apply.Entry{Group: groupOf(check.APIVersion), Kind: check.Kind, Namespace: check.Namespace, Name: check.Name}
		if !isSelf(e) {
			set = append(set, e)
		}
	}
	return set
}

// groupOf returns the group of an API version; none means that of Deployments.
// The version does not matter: the preferred one is looked at.
func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(orDefault(apiVersion, "apps/v1"), "/")
	if !ok {
		return ""
	}
	return group
}

// health waits until everything is healthy. It parks; it does not poll.
func (p *pass) health(ctx context.Context, plan *apply.Plan) error {
	set := p.healthSet(plan)
	if len(set) == 0 {
		p.list = conditions.Delete(p.list, api.ConditionHealthy)
		return nil
	}
	report, err := p.applier.Health(ctx, p.owner(), set)
	if err != nil {
		return p.unhealthy(0, err)
	}
	before := conditions.Get(p.list, api.ConditionHealthy)
	timeout := p.obj.GetTimeout()
	message := fmt.Sprintf("Running health checks for revision %s with a timeout of %s", p.revision, timeout)
	began := p.started
	if before != nil && before.Status == metav1.ConditionUnknown && before.Message == message {
		began = before.LastTransitionTime.Time
	}
	took := p.started.Sub(began)
	switch {
	case report.Healthy():
		p.healthy(before, time.Since(began).Round(time.Millisecond))
		return nil
	case len(report.Failed()) > 0 && (!p.options.SlowFail || report.Terminal()):
		return p.unhealthy(took, fmt.Errorf("failed early due to stalled resources: [%s]", findings(report)))
	case took >= timeout:
		return p.unhealthy(took, fmt.Errorf("timeout waiting for: [%s]", findings(report)))
	}
	p.set(api.ConditionHealthy, metav1.ConditionUnknown, api.ReasonProgressing, message)
	after := timeout - took
	if report.Recheck > 0 {
		after = min(after, report.Recheck)
	}
	return &fault.WaitingError{Reason: api.ReasonProgressing, Err: errors.New(message), After: after, Quiet: true}
}

// healthy sets the condition, and tells if that is news.
func (p *pass) healthy(before *metav1.Condition, took time.Duration) {
	was := before != nil && before.Status == metav1.ConditionTrue
	message := fmt.Sprintf("Health check passed in %s", took)
	if was && !p.changes.Wrote() && before.ObservedGeneration == p.obj.Generation {
		return
	}
	p.set(api.ConditionHealthy, metav1.ConditionTrue, api.ReasonSucceeded, message)
	if !was || p.obj.Status.LastAppliedRevision != p.revision && p.changes.Wrote() {
		p.publish(events.Info, api.ReasonProgressing, message)
	}
}

func (p *pass) unhealthy(took time.Duration, err error) error {
	p.set(api.ConditionHealthy, metav1.ConditionFalse, api.ReasonHealthCheckFailed, err.Error())
	return p.failed(api.ReasonHealthCheckFailed, fmt.Errorf("health check failed after %s: %w", took.Round(time.Second), err))
}

func findings(r apply.Report) string {
	texts := make([]string, len(r.Findings))
	for i, f := range r.Findings {
		texts[i] = f.String()
	}
	return strings.Join(texts, ", ")
}
