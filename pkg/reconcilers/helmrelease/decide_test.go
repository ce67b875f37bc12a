package helmrelease

import (
	"errors"
	"testing"
	"time"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func retryUpgrades(obj *v2.HelmRelease) {
	obj.Spec.Upgrade = &v2.Upgrade{Strategy: &v2.UpgradeStrategy{
		Name: v2.StrategyRetryOnFailure, RetryInterval: &metav1.Duration{Duration: time.Minute},
	}}
}

func retryInstalls(obj *v2.HelmRelease) {
	obj.Spec.Install = &v2.Install{Strategy: &v2.InstallStrategy{Name: v2.StrategyRetryOnFailure}}
}

func remediateInstalls(r v2.InstallRemediation) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) { obj.Spec.Install = &v2.Install{Remediation: &r} }
}

func remediateUpgrades(r v2.UpgradeRemediation) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) { obj.Spec.Upgrade = &v2.Upgrade{Remediation: &r} }
}

func drift(mode v2.DriftDetectionMode) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) { obj.Spec.DriftDetection = &v2.DriftDetection{Mode: mode} }
}

// TestDecide is the table of what is done about a situation.
func TestDecide(t *testing.T) {
	uninstalls, yes := v2.RemediateUninstall, true
	good := with(shot(2, "failed"), shot(1, "superseded"))
	tests := map[string]struct {
		obj    *v2.HelmRelease
		in     state
		force  bool
		policy policy
		want   decision
	}{
		"in sync":                {obj: object(), in: inSync, want: decision{cut: true, mend: true}},
		"in sync, forced":        {obj: object(), in: inSync, force: true, want: decision{action: upgrade, cut: true}},
		"locked":                 {obj: object(), in: locked, want: decision{action: unlock}},
		"locked, forced":         {obj: object(), in: locked, force: true, want: decision{action: unlock}},
		"absent":                 {obj: object(), in: absent, want: decision{action: install}},
		"absent, no retry left":  {obj: object(attempted(v2.ActionInstall, 1)), in: absent, want: decision{err: errRetriesExceeded}},
		"absent, a retry left":   {obj: object(attempted(v2.ActionInstall, 1), remediateInstalls(v2.InstallRemediation{Retries: 1})), in: absent, want: decision{action: install}},
		"absent, endless":        {obj: object(attempted(v2.ActionInstall, 99), remediateInstalls(v2.InstallRemediation{Retries: -1})), in: absent, want: decision{action: install}},
		"absent, forced":         {obj: object(attempted(v2.ActionInstall, 1)), in: absent, force: true, want: decision{action: install}},
		"absent, to be retried":  {obj: object(attempted(v2.ActionInstall, 9), retryInstalls), in: absent, want: decision{action: install}},
		"absent after upgrades":  {obj: object(attempted(v2.ActionUpgrade, 9)), in: absent, want: decision{action: install}},
		"unmanaged":              {obj: object(), in: unmanaged, want: decision{action: upgrade, forget: true}},
		"unmanaged, whatever":    {obj: object(attempted(v2.ActionUpgrade, 9)), in: unmanaged, want: decision{action: upgrade, forget: true}},
		"out of sync":            {obj: object(), in: outOfSync, want: decision{action: upgrade}},
		"out of sync, exhausted": {obj: object(attempted(v2.ActionUpgrade, 1)), in: outOfSync, want: decision{err: errRetriesExceeded}},
		"out of sync, forced":    {obj: object(attempted(v2.ActionUpgrade, 1)), in: outOfSync, force: true, want: decision{action: upgrade}},
		"out of sync, retried":   {obj: object(attempted(v2.ActionUpgrade, 5), retryUpgrades), in: outOfSync, want: decision{action: upgrade}},
		"out of sync, retried by default": {
			obj: object(attempted(v2.ActionUpgrade, 5)), in: outOfSync, policy: policy{retryByDefault: true}, want: decision{action: upgrade},
		},
		"untested":              {obj: object(), in: untested, want: decision{action: test, mend: true}},
		"drifted":               {obj: object(drift(v2.DriftEnabled)), in: drifted, want: decision{action: correctDrift}},
		"drifted, only warning": {obj: object(drift(v2.DriftWarn)), in: drifted, want: decision{}},

		"failed, without an action":           {obj: object(good), in: failed, want: decision{action: upgrade}},
		"failed, but what counts changed":     {obj: object(good, attempted(v2.ActionUpgrade, 0)), in: failed, want: decision{action: upgrade}},
		"failed, exhausted":                   {obj: object(good, attempted(v2.ActionUpgrade, 1)), in: failed, want: decision{err: errRetriesExceeded}},
		"failed, exhausted, forced":           {obj: object(good, attempted(v2.ActionUpgrade, 1)), in: failed, force: true, want: decision{action: upgrade}},
		"failed, to be retried":               {obj: object(good, attempted(v2.ActionUpgrade, 7), retryUpgrades), in: failed, want: decision{action: upgrade, cut: true}},
		"failed install, to be retried":       {obj: object(good, attempted(v2.ActionInstall, 7), retryInstalls), in: failed, want: decision{action: upgrade, cut: true}},
		"failed install, a retry left":        {obj: object(good, attempted(v2.ActionInstall, 1), remediateInstalls(v2.InstallRemediation{Retries: 1})), in: failed, want: decision{action: uninstallRemediation, cut: true}},
		"failed install, none left":           {obj: object(good, attempted(v2.ActionInstall, 2), remediateInstalls(v2.InstallRemediation{Retries: 1})), in: failed, want: decision{err: errRetriesExceeded}},
		"failed install, the last remediated": {obj: object(good, attempted(v2.ActionInstall, 1), remediateInstalls(v2.InstallRemediation{RemediateLastFailure: &yes})), in: failed, want: decision{action: uninstallRemediation, cut: true}},
		"failed upgrade, a retry left":        {obj: object(good, attempted(v2.ActionUpgrade, 1), remediateUpgrades(v2.UpgradeRemediation{Retries: 1})), in: failed, want: decision{action: rollback, verify: shot(1, "superseded"), cut: true}},
		"failed upgrade, the last of some":    {obj: object(good, attempted(v2.ActionUpgrade, 2), remediateUpgrades(v2.UpgradeRemediation{Retries: 1})), in: failed, want: decision{action: rollback, verify: shot(1, "superseded"), cut: true}},
		"failed upgrade, to be uninstalled":   {obj: object(good, attempted(v2.ActionUpgrade, 1), remediateUpgrades(v2.UpgradeRemediation{Retries: 1, Strategy: &uninstalls})), in: failed, want: decision{action: uninstallRemediation, cut: true}},
		"failed upgrade, nothing before":      {obj: object(with(shot(2, "failed"), shot(1, "failed")), attempted(v2.ActionUpgrade, 1), remediateUpgrades(v2.UpgradeRemediation{Retries: 1})), in: failed, want: decision{err: errNoRollbackTarget, cut: true}},
		"failed upgrade, a failed test before": {
			obj: object(with(shot(2, "failed"), shot(1, "superseded", testsIn("Failed"))), attempted(v2.ActionUpgrade, 1), remediateUpgrades(v2.UpgradeRemediation{Retries: 1})),
			in:  failed, want: decision{err: errNoRollbackTarget, cut: true},
		},
		"failed upgrade, a failed test before, which is ignored": {
			obj: object(with(shot(2, "failed"), shot(1, "superseded", testsIn("Failed"))), attempted(v2.ActionUpgrade, 1), remediateUpgrades(v2.UpgradeRemediation{Retries: 1, IgnoreTestFailures: &yes})),
			in:  failed, want: decision{action: rollback, verify: shot(1, "superseded", testsIn("Failed")), cut: true},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.policy.decide(test.obj, situation{state: test.in}, test.force)
			if got.verify.String() != test.want.verify.String() {
				t.Errorf("goes back to %s, want %s", got.verify, test.want.verify)
			}
			got.verify, test.want.verify = nil, nil
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
	if got := (policy{}).decide(object(), situation{}, false); got.err == nil {
		t.Error("an unknown state is no error")
	}
}

// TestCourse is the table of how a reconcile goes on where an action would be run again,
// and after a remediation.
func TestCourse(t *testing.T) {
	uninstalls := v2.RemediateUninstall
	tests := map[string]struct {
		obj     *v2.HelmRelease
		after   action // nothing: an action is refused
		policy  policy
		want    turn
		explain string
	}{
		"refused, and nothing was attempted":     {obj: object(), want: turn{again: true}},
		"refused, a retry left":                  {obj: object(attempted(v2.ActionUpgrade, 1), remediateUpgrades(v2.UpgradeRemediation{Retries: 1})), want: turn{again: true}},
		"refused, none left":                     {obj: object(attempted(v2.ActionUpgrade, 1)), want: turn{over: true}},
		"refused, to be retried":                 {obj: object(attempted(v2.ActionUpgrade, 1), retryUpgrades), want: turn{retry: time.Minute}},
		"refused, to be retried by default":      {obj: object(attempted(v2.ActionInstall, 1)), policy: policy{retryByDefault: true}, want: turn{retry: 5 * time.Minute}},
		"the other action is to be retried":      {obj: object(attempted(v2.ActionInstall, 1), retryUpgrades), want: turn{over: true}},
		"rolled back, a retry left":              {obj: object(attempted(v2.ActionUpgrade, 1), remediateUpgrades(v2.UpgradeRemediation{Retries: 1})), after: rollback, want: turn{again: true}},
		"rolled back, none left":                 {obj: object(attempted(v2.ActionUpgrade, 2), remediateUpgrades(v2.UpgradeRemediation{Retries: 1})), after: rollback, want: turn{err: errRetriesExceeded}, explain: "Failed to upgrade after 2 attempt(s)"},
		"rolled back, to be retried":             {obj: object(attempted(v2.ActionUpgrade, 1), retryUpgrades), after: rollback, want: turn{retry: time.Minute}},
		"an upgrade uninstalled, none left":      {obj: object(attempted(v2.ActionUpgrade, 2), remediateUpgrades(v2.UpgradeRemediation{Retries: 1, Strategy: &uninstalls})), after: uninstallRemediation, want: turn{again: true}},
		"an install uninstalled, none left":      {obj: object(attempted(v2.ActionInstall, 1)), after: uninstallRemediation, want: turn{err: errRetriesExceeded}, explain: "Failed to install after 1 attempt(s)"},
		"an install uninstalled, a retry left":   {obj: object(attempted(v2.ActionInstall, 1), remediateInstalls(v2.InstallRemediation{Retries: 1})), after: uninstallRemediation, want: turn{again: true}},
		"an install uninstalled, without an end": {obj: object(attempted(v2.ActionInstall, 9), remediateInstalls(v2.InstallRemediation{Retries: -1})), after: uninstallRemediation, want: turn{again: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.policy.refuse(test.obj)
			if test.after != nothing {
				got = test.policy.remedied(test.obj, test.after)
			}
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if test.explain != "" && explain(test.obj, got.err).Error() != test.explain {
				t.Errorf("people are told %q", explain(test.obj, got.err))
			}
		})
	}
	const text = "Failed to perform remediation: missing target release for rollback: cannot remediate failed release"
	if got := explain(object(), errNoRollbackTarget); got.Error() != text || !errors.Is(got, errNoRollbackTarget) {
		t.Errorf("people are told %q", got)
	}
}

// One action of a class is run in a reconcile.
func TestRepeats(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ran, next action
		want      bool
	}{
		"the same":                            {install, install, true},
		"an upgrade after an install":         {install, upgrade, true},
		"an install after an uninstall":       {uninstall, install, true},
		"a test after an install":             {install, test, false},
		"a rollback after an upgrade":         {upgrade, rollback, false},
		"an uninstall as the second remedy":   {rollback, uninstallRemediation, true},
		"an upgrade after an unlock":          {unlock, upgrade, false},
		"an upgrade after drift is corrected": {correctDrift, upgrade, false},
		"drift again":                         {correctDrift, correctDrift, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c course
			c.note(test.ran)
			if c.repeats(test.next) != test.want {
				t.Errorf("got %t", !test.want)
			}
		})
	}
}
