package helmrelease

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// conclude takes in how an action has ended. It returns nil if there is more to do.
func (p *pass) conclude(a action, before *sighting, step release.Step) error {
	if step.Failure != nil {
		p.obj.Status.Failures++
	}
	if step.Inventory != nil {
		p.obj.Status.Inventory = &api.ResourceInventory{Entries: step.Inventory.Refs()}
	}
	p.warnings = append(p.warnings, step.Warnings...)
	switch a {
	case install, upgrade:
		p.released(a, step)
	case test:
		return p.proved(step)
	case rollback, uninstallRemediation:
		p.remedied(a, step)
		return p.goOn(p.policy.remedied(p.obj, a))
	case uninstall:
		return p.left(step)
	case unlock:
		p.unlocked(before, step)
	}
	return nil
}

// verdictOf returns how a condition tells of an end, and how loud.
func verdictOf(failure error) (metav1.ConditionStatus, events.Severity) {
	if failure != nil {
		return metav1.ConditionFalse, events.Error
	}
	return metav1.ConditionTrue, events.Info
}

// released takes in how an install or upgrade has ended.
func (p *pass) released(a action, step release.Step) {
	status := &p.obj.Status
	took := time.Since(step.Began).Round(time.Millisecond)
	status.LastAttemptedReleaseActionDuration = &metav1.Duration{Duration: took}
	p.course.force = false
	latest := status.History.Latest()
	good, bad := reasonsOf(a)
	if step.Failure != nil {
		p.countFailure(a)
		text := attemptFailed(a, p.obj, latest.Chart(), step.Failure)
		p.set(api.ConditionReleased, metav1.ConditionFalse, bad, text)
		p.publish(events.Error, bad, text+lastLogs(step.Logs)+warned(p.warnings), ofSnapshot(latest))
		return
	}
	text := succeeded(a.String(), latest)
	p.set(api.ConditionReleased, metav1.ConditionTrue, good, text)
	p.publish(events.Info, good, text+warned(p.warnings), ofSnapshot(latest))
	if p.obj.GetTest().Enable && !latest.HasBeenTested() {
		p.set(api.ConditionTestSuccess, metav1.ConditionUnknown, api.ReasonAwaitingTests, awaitingTests(latest))
	}
	if _, retries := p.policy.activeRetry(p.obj); retries {
		status.ClearFailures()
	}
}

func (p *pass) countFailure(a action) {
	if a == install {
		p.obj.Status.InstallFailures++
	} else {
		p.obj.Status.UpgradeFailures++
	}
}

func reasonsOf(a action) (good, bad string) {
	if a == install {
		return api.ReasonInstallSucceeded, api.ReasonInstallFailed
	}
	return api.ReasonUpgradeSucceeded, api.ReasonUpgradeFailed
}

// proved takes in how tests have ended. A failure counts for the action whose release
// was tested, unless it is to be ignored.
func (p *pass) proved(step release.Step) error {
	latest := p.obj.Status.History.Latest()
	if step.Failure == nil {
		p.set(api.ConditionTestSuccess, metav1.ConditionTrue, api.ReasonTestSucceeded, tested(latest))
		p.publish(events.Info, api.ReasonTestSucceeded, tested(latest), ofSnapshot(latest))
		return nil
	}
	text := revisionFailed("test", latest, step.Failure)
	p.set(api.ConditionTestSuccess, metav1.ConditionFalse, api.ReasonTestFailed, text)
	p.publish(events.Error, api.ReasonTestFailed, text, ofSnapshot(latest))
	if !latest.HasBeenTested() {
		return p.failing(step.Failure)
	}
	if r, active := activeRemediation(p.obj); active && !r.ignoreTests {
		p.countFailure(map[v2.ReleaseAction]action{v2.ActionInstall: install, v2.ActionUpgrade: upgrade}[p.obj.Status.LastAttemptedReleaseAction])
	}
	return nil
}

// remedied takes in how a rollback or an uninstall after a failure has ended.
func (p *pass) remedied(a action, step release.Step) {
	is, severity := verdictOf(step.Failure)
	subject := p.obj.Status.History.Latest()
	of := ofSnapshot(subject)
	verb, reason := uninstallRemediationVerb, api.ReasonUninstallSucceeded
	if a == rollback {
		verb, reason = rollbackVerb, api.ReasonRollbackSucceeded
		subject = rollbackTarget(p.obj)
		of = described(chartVersion(subject), p.obj.Status.LastAttemptedConfigDigest, "", "")
	}
	if step.Failure != nil {
		reason = map[action]string{rollback: api.ReasonRollbackFailed, uninstallRemediation: api.ReasonUninstallFailed}[a]
	}
	text := remediated(verb, subject, step.Failure)
	p.set(api.ConditionRemediated, is, reason, text)
	logs := ""
	if step.Failure != nil {
		logs = lastLogs(step.Logs)
	}
	p.publish(severity, reason, text+logs+warned(step.Warnings), of)
}

// rollbackTarget returns the snapshot that the last rollback has gone back to, or would.
func rollbackTarget(obj *v2.HelmRelease) *v2.Snapshot {
	history := obj.Status.History.Sorted()
	if len(history) > 0 && history[0].Action == v2.ActionRollback {
		history = history[1:]
	}
	return history.Previous(upgradeRemediation(obj).ignoreTests)
}

func chartVersion(s *v2.Snapshot) string {
	if s == nil {
		return ""
	}
	return s.ChartVersion
}

// left takes in how a release that was made elsewhere has been uninstalled.
func (p *pass) left(step release.Step) error {
	latest := p.obj.Status.History.Latest()
	if step.Failure != nil {
		p.tellUninstall(latest, step)
		return p.failing(step.Failure)
	}
	p.tellUninstall(latest, step)
	p.obj.Status.Inventory = nil
	forget(p.obj)
	p.course = p.courses.renew(p.owner())
	return &ending{reconcilers.Result{Again: true, Progress: "Fulfilling prerequisites", Summary: p.summary()}}
}

func (p *pass) tellUninstall(latest *v2.Snapshot, step release.Step) {
	if step.Failure != nil {
		text := revisionFailed("uninstall", latest, step.Failure)
		p.set(api.ConditionReleased, metav1.ConditionFalse, api.ReasonUninstallFailed, text)
		p.publish(events.Error, api.ReasonUninstallFailed, text+lastLogs(step.Logs)+warned(step.Warnings), ofSnapshot(latest))
		return
	}
	text := succeeded("uninstall", latest)
	p.set(api.ConditionReleased, metav1.ConditionFalse, api.ReasonUninstallSucceeded, text)
	p.publish(events.Info, api.ReasonUninstallSucceeded, text+warned(step.Warnings), ofSnapshot(latest))
}

// unlocked takes in how a release that was pending has been freed.
func (p *pass) unlocked(before *sighting, step release.Step) {
	if before == nil || before.last == nil {
		return
	}
	s := snapshotOf(*before.last)
	_, severity := verdictOf(step.Failure)
	text := unlocked(s, s.Status, step.Failure)
	p.set(api.ConditionReleased, metav1.ConditionFalse, api.ReasonPendingRelease, text)
	p.publish(severity, api.ReasonPendingRelease, text, ofSnapshot(s))
}

// unbegun takes in that an action could not begin: nothing was written. It is tried
// again, and does not count against the retries. That the API server is unwell is no
// failure of the release, and is not told as one.
func (p *pass) unbegun(a action, before *sighting, err error) error {
	if errors.Is(err, release.ErrMoved) || errors.Is(err, release.ErrPending) {
		return p.failing(err) // somebody else was faster; the next run sees what they did
	}
	if kube.Unwell(err) {
		return p.later(a, err)
	}
	latest := p.obj.Status.History.Latest()
	step := release.Step{Failure: err}
	p.obj.Status.Failures++
	switch a {
	case install, upgrade:
		_, bad := reasonsOf(a)
		text := attemptFailed(a, p.obj, p.id.Name+"@"+p.version, err)
		p.set(api.ConditionReleased, metav1.ConditionFalse, bad, text)
		p.publish(events.Error, bad, text, p.ofAttempt())
	case test:
		text := revisionFailed("test", latest, err)
		p.set(api.ConditionTestSuccess, metav1.ConditionFalse, api.ReasonTestFailed, text)
		p.publish(events.Error, api.ReasonTestFailed, text, ofSnapshot(latest))
	case rollback, uninstallRemediation:
		p.remedied(a, step)
	case uninstall:
		p.tellUninstall(latest, step)
	case unlock:
		p.unlocked(before, step)
	}
	return p.failing(err)
}

// failing ends the run with another try: after the interval of the strategy if that is
// to retry, else with backoff.
func (p *pass) failing(err error) error {
	if d, retries := p.policy.activeRetry(p.obj); retries {
		return p.goOn(turn{retry: d})
	}
	return p.again(fmt.Errorf("%w", err))
}
