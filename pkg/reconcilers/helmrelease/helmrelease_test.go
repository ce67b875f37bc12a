package helmrelease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

var errBroken = errors.New("it broke")

// TestTraces is the table of what is done, one after the other, until there is nothing
// more to do.
func TestTraces(t *testing.T) {
	uninstalls, yes := v2.RemediateUninstall, true
	broken := func(names ...string) func(*world) {
		return func(w *world) {
			for _, name := range names {
				w.storage.failing[name] = errBroken
			}
		}
	}
	installed := func(w *world) {
		if err := w.run(0); err != nil {
			w.t.Fatal(err)
		}
		w.storage.log = nil
	}
	after := func(steps ...func(*world)) func(*world) {
		return func(w *world) {
			for _, step := range steps {
				step(w)
			}
		}
	}
	changed := func(w *world) { w.values(`{"word":"other"}`) }
	tests := map[string]struct {
		spec    func(*v2.HelmRelease)
		given   func(*world)
		log     string // actions
		ready   string
		stalled string
		history string
	}{
		"installed":                              {log: "install", ready: "True/InstallSucceeded", history: "1 deployed install"},
		"installed, after waiting":               {given: func(w *world) { w.storage.waits["install"] = 2 }, log: "install", ready: "Unknown/Progressing", history: "1 pending-install install"},
		"nothing to do":                          {given: installed, ready: "True/InstallSucceeded", history: "1 deployed install"},
		"other values":                           {given: after(installed, changed), log: "upgrade", ready: "True/UpgradeSucceeded", history: "2 deployed upgrade, 1 superseded install"},
		"another version":                        {given: after(installed, func(w *world) { w.push("1.1.0", nil) }), log: "upgrade", ready: "True/UpgradeSucceeded", history: "2 deployed upgrade, 1 superseded install"},
		"an install that fails":                  {given: broken("install"), log: "install", ready: "False/InstallFailed", stalled: "True/RetriesExceeded", history: "1 failed install"},
		"an install that fails twice":            {spec: remediateInstalls(v2.InstallRemediation{Retries: 1}), given: broken("install"), log: "install, uninstall, install", ready: "False/InstallFailed", stalled: "True/RetriesExceeded", history: "1 failed install"},
		"an install whose failure is remediated": {spec: remediateInstalls(v2.InstallRemediation{RemediateLastFailure: &yes}), given: broken("install"), log: "install, uninstall", ready: "False/UninstallSucceeded", stalled: "True/RetriesExceeded", history: "1 uninstalled uninstall-remediation"},
		"an upgrade that fails":                  {given: after(installed, changed, broken("upgrade")), log: "upgrade", ready: "False/UpgradeFailed", stalled: "True/RetriesExceeded", history: "2 failed upgrade, 1 deployed install"},
		"an upgrade that fails twice": {
			spec: remediateUpgrades(v2.UpgradeRemediation{Retries: 1}), given: after(installed, changed, broken("upgrade")),
			log: "upgrade, rollback, upgrade, rollback", ready: "False/RollbackSucceeded", stalled: "True/RetriesExceeded",
			history: "5 deployed rollback, 4 failed upgrade, 3 superseded rollback",
		},
		"an upgrade that is uninstalled": {
			spec: remediateUpgrades(v2.UpgradeRemediation{RemediateLastFailure: &yes, Strategy: &uninstalls}), given: after(installed, changed, broken("upgrade")),
			log: "upgrade, uninstall, install", ready: "True/InstallSucceeded", history: "1 deployed install",
		},
		"an install that is to be retried": {spec: func(o *v2.HelmRelease) { retryInstalls(o); retryUpgrades(o) }, given: broken("install"), log: "install", ready: "False/InstallFailed", history: "1 failed install"},
		"a failed rollback":                {spec: remediateUpgrades(v2.UpgradeRemediation{RemediateLastFailure: &yes}), given: after(installed, changed, broken("upgrade", "rollback")), log: "upgrade, rollback", ready: "False/RollbackFailed", stalled: "True/RetriesExceeded", history: "3 failed rollback, 2 failed upgrade, 1 deployed install"},
		"no revision to go back to":        {spec: remediateUpgrades(v2.UpgradeRemediation{RemediateLastFailure: &yes}), given: after(broken("install"), func(w *world) { _ = w.run(0); w.storage.log = nil; changed(w); broken("upgrade")(w) }), log: "upgrade", ready: "False/UpgradeFailed", stalled: "True/MissingRollbackTarget", history: "2 failed upgrade, 1 failed install"},
		"the revision to go back to was changed": {
			spec: remediateUpgrades(v2.UpgradeRemediation{Retries: 1}),
			given: after(installed, changed, func(w *world) {
				broken("upgrade")(w)
				w.storage.waits["upgrade"] = 1
				_ = w.run(0)
				w.storage.log = nil
				w.storage.records[1].ConfigDigest = "by somebody"
			}),
			log: "continue upgrade, upgrade", ready: "False/UpgradeFailed",
		},
		"somebody's release": {given: func(w *world) {
			w.storage.records[4] = &release.Observation{Name: "web", Namespace: "apps", Version: 4, Status: "deployed"}
		}, log: "upgrade", ready: "True/UpgradeSucceeded", history: "5 deployed upgrade"},
		"somebody's release, pending": {given: func(w *world) {
			w.storage.records[4] = &release.Observation{Name: "web", Namespace: "apps", Version: 4, Status: "pending-upgrade"}
		}, log: "unlock, upgrade", ready: "True/UpgradeSucceeded", history: "5 deployed upgrade"},
		"changed by somebody":                {given: after(installed, func(w *world) { w.storage.records[1].ConfigDigest, w.storage.records[1].Attempt = "other", "" }), log: "upgrade", ready: "True/UpgradeSucceeded", history: "2 deployed upgrade"},
		"deleted by somebody":                {given: after(installed, func(w *world) { clear(w.storage.records) }), log: "install", ready: "True/InstallSucceeded", history: "1 deployed install"},
		"uninstalled, with its records kept": {given: after(installed, func(w *world) { w.storage.records[1].Status = "uninstalled"; w.hr.Status.History = nil }), log: "install", ready: "True/InstallSucceeded"},
		"in a state that nobody knows": {given: after(installed, func(w *world) {
			w.storage.records[1].Status = "superseded"
			w.hr.Status.History[0].Digest = seal(w.storage.records[1], w.hr.Status.History[0].OCIDigest).Digest
		}), ready: "False/StateError"},
		"storage that cannot be read":                   {given: after(installed, func(w *world) { w.storage.unread = errBroken }), ready: "False/StateError"},
		"an action that cannot begin":                   {given: func(w *world) { w.storage.refused["install"] = errBroken }, log: "install, install, install, install, install, install", ready: "False/InstallFailed"},
		"an action that the API server has no time for": {given: func(w *world) { w.storage.refused["install"] = apierrors.NewTooManyRequests("slow down", 1) }, log: "install, install, install, install, install, install", ready: "Unknown/Progressing"},
		"definitions that cannot be made":               {given: func(w *world) { w.push("1.0.0", definitions); w.storage.refused["definitions"] = errBroken }, ready: "False/InstallFailed"},
		"definitions that take their time":              {given: func(w *world) { w.push("1.0.0", definitions); w.storage.waits["definitions"] = 1 }, ready: "Unknown/Progressing"},
		"tests":                                         {spec: enableTests, given: func(w *world) { w.storage.tests = map[string]release.Phase{"a": "Succeeded"} }, log: "install, test", ready: "True/TestSucceeded"},
		"no tests":                                      {spec: enableTests, log: "install, test", ready: "True/TestSucceeded"},
		"a test that fails":                             {spec: enableTests, given: func(w *world) { w.storage.tests = map[string]release.Phase{"a": "Failed"} }, log: "install, test", ready: "False/TestFailed", stalled: "True/RetriesExceeded"},
		"a test that fails, ignored":                    {spec: func(o *v2.HelmRelease) { o.Spec.Test = &v2.Test{Enable: true, IgnoreFailures: true} }, given: func(w *world) { w.storage.tests = map[string]release.Phase{"a": "Failed"} }, log: "install, test", ready: "True/InstallSucceeded"},
		"a test that fails, ignored by the install only": {
			spec: func(o *v2.HelmRelease) {
				enableTests(o)
				remediateInstalls(v2.InstallRemediation{IgnoreTestFailures: &yes})(o)
			},
			given: func(w *world) { w.storage.tests = map[string]release.Phase{"a": "Failed"} }, log: "install, test", ready: "False/TestFailed",
		},
		"drift":                   {spec: drift(v2.DriftEnabled), given: after(installed, drifts), log: "correct", ready: "True/InstallSucceeded"},
		"drift that stays":        {spec: drift(v2.DriftEnabled), given: after(installed, drifts, broken("correct")), log: "correct, correct, correct, correct, correct, correct", ready: "True/InstallSucceeded"},
		"drift that is only told": {spec: drift(v2.DriftWarn), given: after(installed, drifts), ready: "True/InstallSucceeded"},
		"another name":            {given: after(installed, func(w *world) { w.edit(func(o *v2.HelmRelease) { o.Spec.ReleaseName = "other" }) }), log: "uninstall, install", ready: "True/InstallSucceeded", history: "1 deployed install"},
		"another name, and gone": {given: after(installed, func(w *world) {
			w.edit(func(o *v2.HelmRelease) { o.Spec.ReleaseName = "other" })
			clear(w.storage.records)
		}), log: "uninstall of nothing, install", ready: "True/InstallSucceeded"},
		"another post-renderer": {
			given: after(installed, func(w *world) { w.edit(func(o *v2.HelmRelease) { o.Spec.PostRenderers = []v2.PostRenderer{{}} }) }),
			log:   "upgrade", ready: "True/UpgradeSucceeded",
		},
		"a post-renderer that fails": {
			given: after(installed, func(w *world) {
				w.edit(func(o *v2.HelmRelease) {
					o.Spec.CommonMetadata = &api.CommonMetadata{Labels: map[string]string{"a": "b"}}
				})
				w.storage.refused["upgrade"] = errBroken
			}),
			log: "upgrade, upgrade, upgrade, upgrade, upgrade, upgrade", ready: "False/UpgradeFailed",
		},
		"forced":                    {given: after(installed, func(w *world) { w.hr = w.hr.DeepCopy(); ask("now", "now", "")(w.hr) }), log: "upgrade", ready: "True/UpgradeSucceeded"},
		"asked for nothing special": {given: after(installed, func(w *world) { w.hr = w.hr.DeepCopy(); ask("now", "", "")(w.hr) }), ready: "True/InstallSucceeded"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if test.spec != nil {
				test.spec(w.hr)
			}
			if test.given != nil {
				test.given(w)
			}
			err := w.run(5)
			w.want("actions", strings.Join(w.storage.log, ", "), test.log)
			w.want("Ready", w.ready(), test.ready)
			w.want("Stalled", w.is(api.ConditionStalled), test.stalled)
			if test.history != "" {
				w.want("history", strings.Join(w.history(), ", "), test.history)
			}
			if t.Failed() {
				t.Logf("it ended with %v, and Ready says %s", err, w.message(api.ConditionReady))
			}
		})
	}
}

var definitions = map[string]string{"crds/a.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\n"}

func drifts(w *world) {
	w.storage.drift = []release.Drift{{Missing: true}}
	w.storage.drift[0].Kind, w.storage.drift[0].Namespace, w.storage.drift[0].Name = "ConfigMap", "apps", "web"
}

// What waits is parked, says what runs, and goes on; the plugin needs to run once for it.
func TestWaiting(t *testing.T) {
	w := newWorld(t)
	w.storage.waits["install"] = 2
	err := w.run(0)
	waiting, ok := errors.AsType[*fault.WaitingError](err)
	if !ok || waiting.After != time.Minute || !waiting.Quiet {
		t.Fatalf("got %+v", err)
	}
	w.want("Ready", w.ready()+" "+w.message(api.ConditionReady), "Unknown/Progressing Running 'install' action with timeout of 5m0s")
	if err := w.run(0); err == nil {
		t.Error("it does not wait any more")
	}
	if err := w.run(0); err != nil {
		t.Fatal(err)
	}
	w.want("actions", w.storage.log, []string{"install", "continue install", "continue install"})
	w.want("Ready", w.ready(), "True/InstallSucceeded")
	w.want("duration", w.hr.Status.LastAttemptedReleaseActionDuration != nil, true)
	w.want("inventory", w.hr.Status.Inventory.Entries, []api.ResourceRef{{ID: "apps_web__ConfigMap", Version: "v1"}})
}

// An action that has begun is gone on with whatever the spec and its sources look like by
// now; what is new is looked at afterwards.
func TestWaitingNeedsNothing(t *testing.T) {
	w := newWorld(t)
	w.storage.waits["install"] = 1
	_ = w.run(0)
	w.edit(func(o *v2.HelmRelease) {
		o.Spec.ChartRef.Name = "missing"
		o.Spec.DependsOn = []api.DependencyReference{{Name: "missing"}}
		o.Spec.ReleaseName = "other"
	})
	_ = w.run(0)
	w.want("actions", w.storage.log, []string{"install", "continue install"})
	w.want("Ready", w.ready(), "False/DependencyNotReady")
	w.want("Released", w.is(api.ConditionReleased), "True/InstallSucceeded")
	w.want("history", w.history(), []string{"1 deployed install"})
}

// What is edited while an action waits is looked at when it has ended, also what no
// record tells of.
func TestEditWhileWaiting(t *testing.T) {
	w := newWorld(t)
	w.storage.waits["install"] = 1
	_ = w.run(0)
	w.edit(func(o *v2.HelmRelease) { o.Spec.PostRenderers = []v2.PostRenderer{{}} })
	_ = w.run(1)
	w.want("actions", w.storage.log, []string{"install", "continue install", "upgrade"})
	w.want("Ready", w.ready(), "True/UpgradeSucceeded")
}

// An action that is under way is not given up because its record could not be read for a
// moment.
func TestRecordThatIsNotReadAtOnce(t *testing.T) {
	for name, missed := range map[string]int{"once": 1, "twice": 2} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.storage.waits["install"] = 1
			_ = w.run(0)
			w.storage.missed = missed
			_ = w.run(missed)
			w.want("actions", w.storage.log, []string{"install", "continue install"})
			w.want("Ready", w.ready(), "True/InstallSucceeded")
		})
	}
}

// What is new by the time that an action ends is released at once, and not after a delay
// that grows.
func TestOutpaced(t *testing.T) {
	w := newWorld(t)
	w.storage.waits["install"] = 1
	_ = w.run(0)
	w.push("1.1.0", nil)
	if err := w.run(0); err != nil {
		t.Error(err)
	}
	w.want("actions", w.storage.log, []string{"install", "continue install", "upgrade"})
	w.want("Ready", w.ready(), "True/UpgradeSucceeded")
}

// A record that somebody has changed while it was pending is not gone on with: what it
// holds would be applied.
func TestForgedRecord(t *testing.T) {
	w := newWorld(t)
	w.storage.waits["install"] = 1
	_ = w.run(0)
	w.storage.records[1].ConfigDigest = "by somebody"
	_ = w.run(0)
	w.want("actions", w.storage.log, []string{"install", "unlock", "upgrade"})
	w.want("Ready", w.ready(), "True/UpgradeSucceeded")
}

// Without drift detection nothing is watched once an action has ended.
func TestUnwatched(t *testing.T) {
	for name, test := range map[string]struct {
		spec func(*v2.HelmRelease)
		want int
	}{
		"without drift detection": {drift(v2.DriftDisabled), 1}, "with it": {drift(v2.DriftWarn), 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.spec)
			w.storage.waits["install"] = 1
			_ = w.run(0)
			w.want("while it waits", w.storage.unwatched, 0)
			_ = w.run(0)
			w.want("afterwards", min(w.storage.unwatched, 1), test.want)
		})
	}
}

// What came of an action that ended before the status was saved is taken in.
func TestAdoption(t *testing.T) {
	for name, test := range map[string]struct {
		failure string
		ready   string
		log     []string
		history []string
	}{
		"it succeeded": {"", "True/UpgradeSucceeded", nil, []string{"2 deployed upgrade", "1 superseded install"}},
		"it failed":    {"it broke", "False/UpgradeFailed", nil, []string{"2 failed upgrade", "1 deployed install"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.run(0); err != nil {
				t.Fatal(err)
			}
			saved := w.hr.DeepCopy()
			saved.Status.StorageNamespace = "apps"
			w.values(`{"word":"other"}`)
			if test.failure != "" {
				w.storage.failing["upgrade"] = errors.New(test.failure)
			}
			_ = w.run(0)
			lost := w.hr // the process dies before this is saved
			lost.Status.History, lost.Status.Conditions = saved.Status.History, saved.Status.Conditions
			lost.Status.Failures, lost.Status.UpgradeFailures = 0, 0
			w.hr, w.storage.log, w.r.courses = lost, nil, newCourses()
			_ = w.run(0)
			w.want("actions", w.storage.log, test.log)
			w.want("Ready", w.ready(), test.ready)
			w.want("history", w.history(), test.history)
			w.want("inventory", w.hr.Status.Inventory.Entries[0].ID, "apps_adopted__ConfigMap")
			w.want("failures", w.hr.Status.UpgradeFailures, map[bool]int64{true: 1}[test.failure != ""])
		})
	}
}

// With the strategy to retry, the next attempt comes after the interval, and is an
// upgrade.
func TestRetries(t *testing.T) {
	w := newWorld(t, func(o *v2.HelmRelease) { retryInstalls(o); retryUpgrades(o) })
	w.storage.failing["install"], w.storage.failing["upgrade"] = errBroken, errBroken
	_ = w.run(0)
	w.want("after the install", w.retry, 5*time.Minute)
	w.want("observed", w.hr.Status.ObservedGeneration, w.hr.Generation)
	_ = w.run(0)
	w.want("after the upgrade", w.retry, time.Minute)
	w.want("failures", []int64{w.hr.Status.InstallFailures, w.hr.Status.UpgradeFailures}, []int64{1, 1})
	delete(w.storage.failing, "upgrade")
	if err := w.run(0); err != nil {
		t.Fatal(err)
	}
	w.want("failures", []int64{w.hr.Status.Failures, w.hr.Status.InstallFailures, w.hr.Status.UpgradeFailures}, []int64{0, 0, 0})
	w.want("actions", w.storage.log, []string{"install", "upgrade", "upgrade"})
}

// Waiting for health that is of no use any more is given up, if the process says so.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.r.options.CancelOnNews = true
	w.storage.waits["install"] = 9
	_ = w.run(0)
	_, err := w.once()
	if _, waits := errors.AsType[*fault.WaitingError](err); !waits {
		t.Fatalf("it does not wait: %v", err)
	}
	w.push("1.1.0", nil)
	again, err := w.once()
	if !again || err != nil {
		t.Fatalf("again %t, %v", again, err)
	}
	w.want("Ready", w.ready()+": "+w.message(api.ConditionReady), "False/HealthCheckCanceled: New reconciliation triggered by OCIRepository/apps/chart")
	w.want("failures", w.hr.Status.InstallFailures, int64(1))
	if err := w.run(1); err != nil {
		t.Fatal(err)
	}
	w.want("actions", w.storage.log, []string{"install", "continue install", "cancel install", "upgrade"})
	w.want("Ready", w.ready(), "True/UpgradeSucceeded")
}

// Facts tell what happened, to which revision.
func TestFacts(t *testing.T) {
	w := newWorld(t, remediateUpgrades(v2.UpgradeRemediation{RemediateLastFailure: new(bool)}))
	*w.hr.Spec.Upgrade.Remediation.RemediateLastFailure = true
	_ = w.run(0)
	w.storage.failing["upgrade"] = errBroken
	w.values(`{"word":"other"}`)
	_ = w.run(0)
	for _, parts := range [][]string{
		{"info InstallSucceeded", "Helm install succeeded for release apps/web.v1 with chart podinfo@1.0.0+ab12ab12ab12"},
		{"error UpgradeFailed", "Helm upgrade failed for release apps/web with chart podinfo@1.0.0+ab12ab12ab12: it broke", "\n\nLast Helm logs:\n\n1970-01-01T00:00:00Z: did upgrade"},
		{"info RollbackSucceeded", "Helm rollback to previous release apps/web.v1 with chart podinfo@1.0.0+ab12ab12ab12 succeeded"},
	} {
		if !w.told(parts...) {
			t.Errorf("nobody was told %v, but %s", parts, fmt.Sprintf("%q", w.facts))
		}
	}
}

// A preview renders what is to come and writes nothing.
func TestPreview(t *testing.T) {
	w := newWorld(t)
	if err := w.run(0); err != nil {
		t.Fatal(err)
	}
	w.values(`{"word":"other"}`)
	w.storage.log = nil
	repo := w.repo()
	tree, release, err := w.store.Open(artifacts.Owner{Kind: api.OCIRepositoryKind, Namespace: "apps", Name: "chart"}, repo.Status.Artifact.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	q := reconcilers.Question{Source: func(context.Context, reconcilers.Ref, string) (reconcilers.Content, *reconcilers.Content, error) {
		return reconcilers.Content{Artifact: *repo.Status.Artifact, Tree: tree}, nil, nil
	}}
	got, err := w.r.Preview(t.Context(), w.hr.DeepCopy(), q)
	if err != nil {
		t.Fatal(err)
	}
	w.want("actions", w.storage.log, []string{"forecast"})
	w.want("revisions", []string{got.Current, got.Revision}, []string{"1.0.0+ab12ab12ab12", "1.0.0+ab12ab12ab12"})
	if !strings.Contains(got.Objects[0].Message, "word: other") {
		t.Errorf("rendered %s", got.Objects[0].Message)
	}
	q.Deleted = true
	got, err = w.r.Preview(t.Context(), w.hr.DeepCopy(), q)
	if err != nil || len(got.Objects) != 1 {
		t.Errorf("of the end: %+v, %v", got, err)
	}
}
