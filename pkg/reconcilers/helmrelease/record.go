package helmrelease

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
)

// snapshotOf returns the snapshot of a revision.
func snapshotOf(o release.Observation) *v2.Snapshot {
	s := &v2.Snapshot{
		APIVersion: v2.SnapshotAPIVersion, Digest: o.Digest, Name: o.Name, Namespace: o.Namespace, Version: o.Version,
		Status: string(o.Status), ChartName: o.ChartName, ChartVersion: o.ChartVersion, AppVersion: o.AppVersion,
		ConfigDigest: o.ConfigDigest, FirstDeployed: metav1.NewTime(o.FirstDeployed), LastDeployed: metav1.NewTime(o.LastDeployed),
	}
	s.Deleted = timeOf(o.Deleted)
	return s
}

// timeOf returns t as the status has it, nil if it is zero.
func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

// record takes what an action has written into the history. Of what was there before it,
// only what the history has is of interest.
func (p *pass) record(a action, step release.Step) {
	newest := 0
	for _, o := range step.Observed {
		newest = max(newest, o.Version)
	}
	for _, o := range step.Observed {
		known := slices.ContainsFunc(p.obj.Status.History, isRevision(snapshotOf(o)))
		adds := a == install || a == upgrade || a == rollback
		switch {
		case a == test:
			p.recordTests(o)
		case adds && o.Version == newest && !o.Gone:
			p.recordNew(a, o)
		case known:
			p.recordOld(a, o)
		}
	}
}

// recordNew takes in the revision that an action makes.
func (p *pass) recordNew(a action, o release.Observation) {
	s := snapshotOf(o)
	s.Action = madeBy[a]
	if a != rollback {
		s.OCIDigest = p.obj.Status.LastAttemptedRevisionDigest
	}
	if a == upgrade && p.obj.GetUpgrade().PreserveValues {
		// What is stored are the values of earlier upgrades, too. What decides over the
		// next one is what the spec asks for.
		s.ConfigDigest = p.obj.Status.LastAttemptedConfigDigest
	}
	p.obj.Status.History = revise(p.obj.Status.History, s)
}

// recordOld takes in what has become of a revision.
func (p *pass) recordOld(a action, o release.Observation) {
	s := snapshotOf(o)
	if a == uninstall || a == uninstallRemediation {
		s.Action = madeBy[a]
	}
	p.obj.Status.History = revise(p.obj.Status.History, s)
}

// madeBy are the actions as the history names them.
var madeBy = map[action]v2.ReleaseAction{
	install: v2.ActionInstall, upgrade: v2.ActionUpgrade, rollback: v2.ActionRollback,
	uninstall: v2.ActionUninstall, uninstallRemediation: v2.ActionUninstallRemediation,
}

// recordTests takes the tests of the latest revision into its snapshot, as far as they
// are selected. Those that did not run are there without anything in them.
func (p *pass) recordTests(o release.Observation) {
	latest := p.obj.Status.History.Latest()
	if !latest.Targets(o.Name, o.Namespace, o.Version) {
		return
	}
	tests := make(map[string]v2.TestHookStatus, len(o.Tests))
	for name, run := range o.Tests {
		if !selects(p.obj.GetTest().Filters, name) {
			continue
		}
		tests[name] = v2.TestHookStatus{
			LastStarted: timeOf(run.Started), LastCompleted: timeOf(run.Completed), Phase: string(run.Phase),
		}
	}
	latest.TestHooks = &tests
}
