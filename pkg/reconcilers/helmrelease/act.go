package helmrelease

import (
	"context"
	"errors"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
)

// timeoutOf returns the timeout of an action.
func timeoutOf(obj *v2.HelmRelease, a action) time.Duration {
	d := obj.GetTimeout()
	switch a {
	case install:
		return obj.GetInstall().GetTimeout(d)
	case upgrade:
		return obj.GetUpgrade().GetTimeout(d)
	case test:
		return obj.GetTest().GetTimeout(d)
	case rollback:
		return obj.GetRollback().GetTimeout(d)
	case uninstall, uninstallRemediation:
		return obj.GetUninstall().GetTimeout(d)
	}
	return d
}

// act takes the first step of an action. It returns nil if that is all of it and there
// is more to do.
func (p *pass) act(ctx context.Context, a action, to *v2.Snapshot) error {
	if a == correctDrift {
		return p.correct(ctx)
	}
	step, err := p.start(ctx, a, to)
	if (a == install || a == upgrade) && step.Action != "" {
		p.acknowledge() // when it ends the spec may be another one
	}
	if step.Waiting != nil && len(p.warnings) > 0 {
		p.publish(events.Info, api.ReasonProgressing, running(a, timeoutOf(p.obj, a))+warned(p.warnings), p.ofAttempt())
	}
	return p.advance(ctx, a, step, err)
}

func (p *pass) start(ctx context.Context, a action, to *v2.Snapshot) (release.Step, error) {
	t := p.wantedTarget()
	switch a {
	case install:
		p.obj.Status.LastAttemptedReleaseAction, p.obj.Status.History = v2.ActionInstall, nil
		p.drop(api.ConditionTestSuccess, api.ConditionRemediated)
		return p.install(ctx, t)
	case upgrade:
		p.obj.Status.LastAttemptedReleaseAction = v2.ActionUpgrade
		p.drop(api.ConditionTestSuccess, api.ConditionRemediated)
		return p.upgrade(ctx, t)
	case rollback:
		return p.releases.Rollback(ctx, t, p.rollback(to))
	case uninstallRemediation:
		return p.releases.Uninstall(ctx, t, p.uninstall(a))
	case test:
		return p.releases.Test(ctx, t, p.test())
	case unlock:
		return p.releases.Unlock(ctx, t, p.actionOptions(unlock))
	}
	return release.Step{}, errors.New("there is no such action")
}

// advance takes in how far an action has come: it parks the object, or goes on behind
// the action.
func (p *pass) advance(ctx context.Context, a action, step release.Step, err error) error {
	before := p.seen
	p.seen = nil
	p.record(a, step)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case classified(err):
		return err
	case err != nil && step.Action == "":
		return p.unbegun(a, before, err)
	case err != nil:
		return p.interrupted(a, err)
	case step.Waiting != nil:
		return p.park(a, step)
	}
	p.acted = true
	p.course.note(a)
	return p.conclude(a, before, step)
}

// park ends the run until what the action waits for wakes the object.
func (p *pass) park(a action, step release.Step) error {
	p.underway = true
	err := &fault.WaitingError{
		Reason: api.ReasonProgressing, Err: errors.New(running(a, timeoutOf(p.obj, a))), After: step.Waiting.After, Quiet: true,
	}
	if a.class() == releasing {
		return err
	}
	return p.summed(err)
}

// interrupted ends the run where an action could not go on, as when the API server does
// not answer. The next run goes on with it.
func (p *pass) interrupted(a action, err error) error {
	p.underway = true
	return p.later(a, err)
}

// later ends the run with another one soon, for a reason that says nothing of the action.
func (p *pass) later(a action, err error) error {
	again := fault.Backoff(api.ReasonReconcileError, err)
	if a.class() != releasing {
		return p.summed(again)
	}
	return fault.Summarised(again, fault.Summary{
		Status: "Unknown", Reason: api.ReasonProgressing, Message: running(a, timeoutOf(p.obj, a)),
	})
}
