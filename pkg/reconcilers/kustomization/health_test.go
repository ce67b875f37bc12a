package kustomization

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/fault"
)

func reportOf(statuses ...status.Status) apply.Report {
	r := apply.Report{Total: len(statuses)}
	for _, s := range statuses {
		if s != status.CurrentStatus {
			r.Findings = append(r.Findings, apply.Finding{Status: s})
		}
	}
	return r
}

func TestVigil(t *testing.T) {
	const message = "waiting"
	now := time.Unix(10_000, 0)
	healthy := func(is metav1.ConditionStatus, message string, ago time.Duration, generation int64) *metav1.Condition {
		return &metav1.Condition{Status: is, Message: message, LastTransitionTime: metav1.NewTime(now.Add(-ago)), ObservedGeneration: generation}
	}
	const busy, failed, good = status.InProgressStatus, status.FailedStatus, status.CurrentStatus
	unknown, wrong := metav1.ConditionUnknown, metav1.ConditionFalse
	cases := map[string]struct {
		before         *metav1.Condition
		report         apply.Report
		fresh, patient bool
		want           judgement
		took           time.Duration
	}{
		"everything is healthy":                    {nil, reportOf(good, good), false, false, passed, 0},
		"it was healthy just in time":              {healthy(unknown, message, time.Hour, 1), reportOf(good), false, false, passed, time.Hour},
		"the first look":                           {nil, reportOf(busy, good), false, false, waits, 0},
		"on the way":                               {healthy(unknown, message, 30*time.Second, 1), reportOf(busy), false, false, waits, 30 * time.Second},
		"too long":                                 {healthy(unknown, message, time.Minute, 1), reportOf(busy), false, false, timedOut, time.Minute},
		"too long, for another revision":           {healthy(unknown, "other", time.Hour, 1), reportOf(busy), false, false, waits, 0},
		"too long, for another spec":               {healthy(unknown, message, time.Hour, 0), reportOf(busy), false, false, waits, 0},
		"one has failed":                           {nil, reportOf(failed, busy), false, false, failedEarly, 0},
		"one has failed, the rest goes on":         {nil, reportOf(failed, busy), false, true, waits, 0},
		"one has failed, the rest is done":         {nil, reportOf(failed, good), false, true, failedEarly, 0},
		"failed before":                            {healthy(wrong, "x", time.Hour, 1), reportOf(busy), false, false, timedOut, 0},
		"failed before, with another spec":         {healthy(wrong, "x", time.Hour, 0), reportOf(busy), false, false, waits, 0},
		"failed before, and something was applied": {healthy(wrong, "x", time.Hour, 1), reportOf(busy), true, false, waits, 0},
		"failed before, and healthy after all":     {healthy(wrong, "x", time.Hour, 1), reportOf(good), false, false, passed, 0},
		"a clock that went backwards":              {healthy(unknown, message, -time.Hour, 1), reportOf(busy), false, false, waits, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v := vigil{before: c.before, generation: 1, message: message, timeout: time.Minute, now: now, fresh: c.fresh, patient: c.patient}
			if got := v.decide(c.report); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := v.took(); got != c.took {
				t.Errorf("took %s, want %s", got, c.took)
			}
			if got := v.left(0); got != time.Minute-c.took {
				t.Errorf("left %s", got)
			}
			if got := v.left(time.Second); c.want == waits && got != time.Second {
				t.Errorf("left with a recheck: %s", got)
			}
		})
	}
}

func TestWaitForHealth(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.Wait, w.ks.Spec.Timeout = true, &metav1.Duration{Duration: 2 * time.Minute}
		w.cluster.health["ConfigMap/apps/b"] = status.InProgressStatus
		_, err := w.run()
		const running = "Running health checks for revision r1 with a timeout of 2m0s"
		waiting, ok := errors.AsType[*fault.WaitingError](err)
		if !ok || waiting.Reason != api.ReasonProgressing || waiting.After != 2*time.Minute || err.Error() != running {
			t.Fatalf("got %#v", err)
		}
		w.want("healthy", w.condition(api.ConditionHealthy), "Unknown/Progressing: "+running)
		w.want("ready", w.condition(api.ConditionReady), "Unknown/Progressing: "+running)
		w.want("applied revision", w.ks.Status.LastAppliedRevision, "")
		w.told()

		w.pass(time.Minute) // as after a restart: nothing is remembered but the status
		saved := w.saved
		_, err = w.run()
		if waiting, ok := errors.AsType[*fault.WaitingError](err); !ok || waiting.After != time.Minute {
			t.Fatalf("got %#v", err)
		}
		w.want("writes of status while it waits", w.saved, saved)

		delete(w.cluster.health, "ConfigMap/apps/b")
		w.must()
		w.want("healthy", w.condition(api.ConditionHealthy), "True/Succeeded: Health check passed in 1m0s")
		w.want("ready", w.condition(api.ConditionReady), "True/ReconciliationSucceeded: Applied revision: r1")
		w.want("told", w.told(), []string{"info Progressing: Health check passed in 1m0s"})
	})
}

func TestHealthFails(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.Wait, w.ks.Spec.Timeout = true, &metav1.Duration{Duration: time.Second} // counts as 30s
		w.cluster.health["ConfigMap/apps/b"] = status.InProgressStatus
		_, _ = w.run()
		w.pass(30 * time.Second)
		_, err := w.run()
		if _, ok := errors.AsType[*fault.FailedError](err); !ok {
			t.Fatalf("got %v", err)
		}
		const text = "timeout waiting for: [ConfigMap/apps/b status: 'InProgress']"
		w.want("ready", w.condition(api.ConditionReady), "False/HealthCheckFailed: health check failed after 30s: "+text)
		w.want("healthy", w.condition(api.ConditionHealthy), "False/HealthCheckFailed: "+text)
		w.want("inventory", w.inventory(), []string{idA, idB})
		w.want("history", w.ks.Status.History[0].LastReconciledStatus, "HealthCheckFailed")

		saved := w.saved
		for range 3 { // retries
			w.pass(10 * time.Minute)
			_, _ = w.run()
		}
		w.want("writes of status while it stays like that", w.saved, saved)
		w.told()

		w.cluster.health["ConfigMap/apps/b"] = status.FailedStatus
		_, _ = w.run()
		w.want("ready", w.condition(api.ConditionReady), "False/HealthCheckFailed: health check failed after 0s: failed early due to stalled resources: [ConfigMap/apps/b status: 'Failed']")

		w.ks.Annotations = map[string]string{api.AnnotationReconcileRequest: "again"}
		w.cluster.health["ConfigMap/apps/b"] = status.InProgressStatus
		_, _ = w.run()
		w.want("ready on request", w.condition(api.ConditionReady), "Unknown/Progressing: Running health checks for revision r1 with a timeout of 30s")

		delete(w.cluster.health, "ConfigMap/apps/b")
		w.must()
		w.want("told of the recovery", w.told(), []string{"info Progressing: Health check passed in 0s"})
	})
}

func TestHealthOfNewRevisions(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.Wait = true
		w.must()
		w.told()
		w.push("r2", map[string]string{"app/a.json": object("ConfigMap", "a", "1"), "app/b.json": object("ConfigMap", "b", "1")})
		w.must()
		w.want("told of a revision that changed nothing", w.told(), []string(nil))
		w.push("r3", map[string]string{"app/a.json": object("ConfigMap", "a", "2"), "app/b.json": object("ConfigMap", "b", "1")})
		w.must()
		w.want("told of a revision that changed something", w.told(), []string{"info Progressing: ConfigMap/apps/a configured", "info Progressing: Health check passed in 0s"})
		w.ks.Spec.Wait, w.ks.Generation = false, 2
		w.must()
		w.want("healthy without checks", w.condition(api.ConditionHealthy), "none")
	})
}

func TestHealthSet(t *testing.T) {
	w := newWorld(t)
	self := apply.Entry{Group: api.KustomizeGroup, Kind: api.KustomizationKind, Namespace: "flux-system", Name: "app"}
	a, b := apply.Entry{Kind: "ConfigMap", Name: "a", Version: "v1"}, apply.Entry{Kind: "ConfigMap", Name: "b", Version: "v1"}
	plan := &apply.Plan{Inventory: apply.Inventory{a, b, self}}
	p := &pass{reconciler: w.r, obj: w.ks, changes: apply.Changes{{Entry: a, Action: apply.Unchanged}, {Entry: b, Action: apply.Skipped}}}
	w.want("neither", p.healthSet(plan), apply.Inventory(nil))
	w.ks.Spec.HealthChecks = []api.NamespacedObjectKindReference{
		{Kind: "Deployment", Name: "d", Namespace: "n"}, {APIVersion: "v1", Kind: "Service", Name: "s", Namespace: "n"},
		{APIVersion: "helm.toolkit.fluxcd.io/v2", Kind: "HelmRelease", Name: "h", Namespace: "n"},
		{APIVersion: "kustomize.toolkit.fluxcd.io/v1", Kind: "Kustomization", Name: "app", Namespace: "flux-system"},
	}
	w.want("health checks", p.healthSet(plan), apply.Inventory{
		{Group: "apps", Kind: "Deployment", Namespace: "n", Name: "d"}, {Kind: "Service", Namespace: "n", Name: "s"},
		{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease", Namespace: "n", Name: "h"},
	})
	w.ks.Spec.Wait = true
	w.want("wait wins", p.healthSet(plan), apply.Inventory{a})
}

func TestStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.gates["ConfigMap/apps/a"] = true
		w.cluster.health["ConfigMap/apps/a"] = status.InProgressStatus
		_, err := w.run()
		const text = "waiting for ConfigMap/apps/a to be ready, for revision r1"
		waiting, ok := errors.AsType[*fault.WaitingError](err)
		if !ok || waiting.After != time.Minute || err.Error() != text {
			t.Fatalf("got %#v", err)
		}
		w.want("writes", w.writes(), []string{"ConfigMap/apps/a created"})
		w.want("nothing is pruned meanwhile", w.inventory(), []string{idA, idB})

		w.pass(40 * time.Second)
		_, err = w.run()
		if waiting, ok := errors.AsType[*fault.WaitingError](err); !ok || waiting.After != 20*time.Second {
			t.Fatalf("got %#v", err)
		}
		w.pass(20 * time.Second)
		_, err = w.run()
		if _, ok := errors.AsType[*fault.FailedError](err); !ok {
			t.Fatalf("got %#v", err)
		}
		w.want("ready", w.condition(api.ConditionReady), "False/ReconciliationFailed: timeout waiting for: [ConfigMap/apps/a status: 'InProgress']")

		delete(w.cluster.health, "ConfigMap/apps/a")
		w.must()
		w.want("writes", w.writes(), []string{"ConfigMap/apps/b created"})
	})
}
