package helmrelease

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// done ends a reconcile that has nothing more to do. The release may still not be what
// it should, which is what Ready says then.
func (p *pass) done() error {
	p.acknowledge()
	s := p.summary()
	result := reconcilers.Result{Revision: p.version, Summary: s}
	if s != nil && s.Status == metav1.ConditionTrue {
		result.Reason, result.Message, result.Summary = s.Reason, s.Message, nil
	}
	return &ending{result}
}

// goOn ends a reconcile in the way that a turn says.
func (p *pass) goOn(t turn) error {
	switch {
	case t.err != nil:
		return p.stall(t.err)
	case t.retry > 0:
		return p.summed(fault.Retry(api.ReasonReconcileError, fmt.Errorf("retrying after %s", t.retry), t.retry))
	case t.again:
		text := "release is to be tried again"
		if s := p.summary(); s != nil {
			text = s.Message
		}
		return p.again(errors.New(text))
	}
	return p.done()
}

// again ends a reconcile with another one soon.
func (p *pass) again(err error) error { return p.summed(fault.Backoff(api.ReasonReconcileError, err)) }

// stall ends a reconcile that is not followed by another one until something changes.
func (p *pass) stall(err error) error {
	told := explain(p.obj, err)
	switch {
	case errors.Is(err, errRetriesExceeded):
		return p.summed(fault.Stalled(api.ReasonRetriesExceeded, told))
	case errors.Is(err, errNoRollbackTarget):
		return p.summed(fault.Stalled(api.ReasonMissingRollbackTarget, told))
	}
	return fault.Backoff(api.ReasonStateError, told)
}

// mend sets right what conditions say of a release that turned out well after all: a
// remediation is over, or what failed is as it should be.
func (p *pass) mend() {
	latest := p.obj.Status.History.Latest()
	if latest == nil {
		return
	}
	released := conditions.Get(p.list, api.ConditionReleased)
	switch remediation := conditions.Get(p.list, api.ConditionRemediated); {
	case remediation != nil && remediation.Status == metav1.ConditionTrue:
		p.drop(api.ConditionRemediated)
		p.replace(*remediation, upgrade, latest)
	case released == nil, released.Reason == api.ReasonUpgradeFailed:
		p.set(api.ConditionReleased, metav1.ConditionTrue, api.ReasonUpgradeSucceeded, succeeded(upgrade.String(), latest))
	case released.Reason == api.ReasonInstallFailed:
		p.set(api.ConditionReleased, metav1.ConditionTrue, api.ReasonInstallSucceeded, succeeded(install.String(), latest))
	}
}

// replace sets Released in place of another condition, whose time of transition it has.
func (p *pass) replace(old metav1.Condition, a action, latest *v2.Snapshot) {
	good, _ := reasonsOf(a)
	p.drop(api.ConditionReleased)
	p.set(api.ConditionReleased, metav1.ConditionTrue, good, succeeded(a.String(), latest))
	for i := range p.list {
		if p.list[i].Type == api.ConditionReleased {
			p.list[i].LastTransitionTime = old.LastTransitionTime
		}
	}
}
