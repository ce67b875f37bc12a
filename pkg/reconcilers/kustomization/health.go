package kustomization

import (
	"cmp"
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
)

// healthSet returns what the health of the object is made of.
func (p *pass) healthSet(plan *apply.Plan) apply.Inventory {
	var set apply.Inventory
	if p.obj.Spec.Wait {
		skipped := make(map[string]bool)
		for _, c := range p.changes {
			skipped[c.ID()] = c.Action == apply.Skipped
		}
		for _, e := range plan.Inventory {
			if !p.isSelf(e) && !skipped[e.ID()] {
				set = append(set, e)
			}
		}
		return set
	}
	for _, check := range p.obj.Spec.HealthChecks {
		e := apply.Entry{Group: groupOf(check.APIVersion), Kind: check.Kind, Namespace: check.Namespace, Name: check.Name}
		if !p.isSelf(e) {
			set = append(set, e)
		}
	}
	return set
}

// isSelf says whether e is the object itself, which would wait for itself.
func (p *pass) isSelf(e apply.Entry) bool {
	return e.Group == api.KustomizeGroup && e.Kind == api.KustomizationKind &&
		e.Namespace == p.obj.Namespace && e.Name == p.obj.Name
}

// groupOf returns the group of an API version; none means that of Deployments.
// The version does not matter: the preferred one is looked at.
func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(cmp.Or(apiVersion, "apps/v1"), "/")
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
	timeout := p.obj.GetTimeout()
	v := vigil{
		before: conditions.Get(p.list, api.ConditionHealthy), generation: p.obj.Generation,
		message: fmt.Sprintf("Running health checks for revision %s with a timeout of %s", p.revision, timeout),
		timeout: timeout, now: time.Now(), fresh: p.moved || p.requested(), patient: p.options.SlowFail,
	}
	switch v.decide(report) {
	case passed:
		p.healthy(v.before, v.took())
		return nil
	case failedEarly:
		return p.unhealthy(v.took(), fmt.Errorf("failed early due to stalled resources: [%s]", findings(report)))
	case timedOut:
		return p.unhealthy(max(v.took(), timeout), fmt.Errorf("timeout waiting for: [%s]", findings(report)))
	}
	p.set(api.ConditionHealthy, metav1.ConditionUnknown, api.ReasonProgressing, v.message)
	return &fault.WaitingError{
		Reason: api.ReasonProgressing, Err: errors.New(v.message), After: v.left(report.Recheck), Quiet: true,
	}
}

// vigil is the wait for health as it stands. When it began is told by the condition
// that it left, so that a restart of the process does not extend it.
type vigil struct {
	before     *metav1.Condition // Healthy; nil if there is none
	generation int64
	// message is what the condition says while this vigil lasts: another revision or
	// timeout begins another one.
	message string
	timeout time.Duration
	now     time.Time
	// fresh says that there is a reason to wait again after a failure.
	fresh bool
	// patient waits for the rest although something has failed.
	patient bool
}

// judgement is how a vigil goes on.
type judgement uint8

const (
	waits judgement = iota
	passed
	failedEarly
	timedOut
)

// decide returns how the vigil goes on. A vigil that has failed stays failed until
// everything is healthy after all, or there is a reason for another one: the objects
// wake their owner either way, so that waiting again would only be noise.
func (v vigil) decide(report apply.Report) judgement {
	broken := len(report.Failed()) > 0 && (!v.patient || report.Terminal())
	switch {
	case report.Healthy():
		return passed
	case broken:
		return failedEarly
	case v.took() >= v.timeout || v.lost() && !v.fresh:
		return timedOut
	}
	return waits
}

// lost says whether the last vigil over the same spec has failed.
func (v vigil) lost() bool {
	return v.before != nil && v.before.Status == metav1.ConditionFalse && v.before.ObservedGeneration == v.generation
}

// took returns how long the vigil has lasted.
func (v vigil) took() time.Duration {
	b := v.before
	if b == nil || b.Status != metav1.ConditionUnknown || b.Message != v.message || b.ObservedGeneration != v.generation {
		return 0
	}
	return max(v.now.Sub(b.LastTransitionTime.Time), 0)
}

// left returns until when to wait at most; recheck is when to look earlier if not zero.
func (v vigil) left(recheck time.Duration) time.Duration {
	left := v.timeout - v.took()
	if recheck > 0 {
		left = min(left, recheck)
	}
	return left
}

// healthy sets the condition, and tells if that is news.
func (p *pass) healthy(before *metav1.Condition, took time.Duration) {
	was := before != nil && before.Status == metav1.ConditionTrue
	if was && !p.changes.Wrote() && before.ObservedGeneration == p.obj.Generation {
		return
	}
	message := fmt.Sprintf("Health check passed in %s", max(took, time.Since(p.started)).Round(time.Millisecond))
	if was && !p.changes.Wrote() {
		message = before.Message // it is only the generation that is new
	}
	p.set(api.ConditionHealthy, metav1.ConditionTrue, api.ReasonSucceeded, message)
	if !was || p.obj.Status.LastAppliedRevision != p.revision && p.changes.Wrote() {
		p.publish(events.Info, api.ReasonProgressing, message)
	}
}

// unhealthy sets the condition and fails. A failure that is the one of the last pass
// is told in the same words, although it has lasted longer.
func (p *pass) unhealthy(took time.Duration, err error) error {
	p.set(api.ConditionHealthy, metav1.ConditionFalse, api.ReasonHealthCheckFailed, err.Error())
	text := fmt.Sprintf("health check failed after %s: %s", took.Round(time.Second), err)
	ready := conditions.Get(p.list, api.ConditionReady)
	if ready != nil && ready.Reason == api.ReasonHealthCheckFailed && strings.HasSuffix(ready.Message, ": "+err.Error()) {
		text = ready.Message
	}
	return p.failed(api.ReasonHealthCheckFailed, errors.New(text))
}

func findings(r apply.Report) string {
	texts := make([]string, len(r.Findings))
	for i, f := range r.Findings {
		texts[i] = f.String()
	}
	return strings.Join(texts, ", ")
}
