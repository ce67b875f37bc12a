package release

import (
	"slices"
	"testing"
	"time"

	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestInstall(t *testing.T) {
	w := newWorld(t)
	step := w.done(w.install(rendered(configMap("a", "1") + configMap("b", "1"))))
	writes := w.writes()
	slices.Sort(writes)
	w.equal("writes", []string{
		"PATCH configmaps/a", "PATCH configmaps/b", "POST secrets/sh.helm.release.v1.web.v1", "PUT secrets/sh.helm.release.v1.web.v1",
	}, writes)
	w.equal("history", []string{"1 deployed: Install complete"}, w.history())
	w.equal("objects", []string{"configmaps/a", "configmaps/b"}, w.paths())
	w.equal("inventory", 2, len(step.Inventory))
	if len(step.Observed) != 1 || step.Observed[0].Status != statusDeployed || step.Observed[0].Attempt != "1/install" {
		t.Errorf("observed %+v", step.Observed)
	}
	a := w.get(coreV1 + "configmaps/a")
	w.equal("labels", map[string]string{
		"app.kubernetes.io/managed-by": "Helm", "helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "flux",
	}, a.GetLabels())
	w.equal("annotations", map[string]string{"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "apps"}, a.GetAnnotations())
	secret := w.get(stored + "1")
	w.equal("type", "helm.sh/release.v1", secret.Object["type"])
	labels := secret.GetLabels()
	delete(labels, "modifiedAt")
	w.equal("labels of the Secret", map[string]string{"name": "web", "owner": "helm", "status": "deployed", "version": "1"}, labels)
	w.requests()
	last, err := w.Last(t.Context(), w.target, Tag{})
	if err != nil || last.Digest != step.Observed[0].Digest || w.requests() != 1 {
		t.Errorf("what was observed is not what is remembered: %+v (%v)", last, err)
	}
	w.restart()
	again, err := w.Last(t.Context(), w.target, Tag{})
	if err != nil {
		t.Fatal(err)
	}
	if last.Own, again.Own = !last.Own, !again.Own; last.Own || !again.Own {
		t.Error("a process takes what another has written for its own, or not what it has itself")
	}
	again.Own = last.Own
	w.equal("read again", last, again)
	if _, err := w.install(rendered("")); err != ErrNameInUse {
		t.Errorf("a second install: %v", err)
	}
}

func TestInstallWithHooks(t *testing.T) {
	w := newWorld(t)
	r := rendered(configMap("a", "1"),
		hookOf("second", 2, "hook-succeeded", helm.HookPreInstall),
		hookOf("first", -1, "", helm.HookPreInstall, helm.HookPostInstall),
		hookOf("other", 0, "", helm.HookPreUpgrade))
	w.waits(w.install(r))("Job/apps/first")
	w.equal("objects", []string{"jobs/first"}, w.paths())
	w.waits(w.Continue(t.Context(), w.target))("Job/apps/first")
	w.edit(batchV1+"jobs/first", complete("Complete"))
	w.restart()
	w.waits(w.Continue(t.Context(), w.target))("Job/apps/second")
	w.edit(batchV1+"jobs/second", complete("Complete"))
	first := w.get(batchV1 + "jobs/first").GetUID()
	w.waits(w.Continue(t.Context(), w.target))("Job/apps/first")
	if w.get(batchV1+"jobs/first").GetUID() == first {
		t.Error("what the first run left was not deleted before the second")
	}
	w.equal("objects", []string{"configmaps/a", "jobs/first"}, w.paths())
	w.edit(batchV1+"jobs/first", complete("Complete"))
	w.done(w.Continue(t.Context(), w.target))
	w.equal("history", []string{"1 deployed: Install complete"}, w.history())
	rev, _ := w.target.read(t.Context(), 1)
	for i, want := range []helm.HookPhase{helm.HookPhaseSucceeded, helm.HookPhaseSucceeded, ""} {
		w.equal("phase", want, rev.hooks[i].Run.Phase)
	}
	if _, err := w.Continue(t.Context(), w.target); err != ErrNothingUnderway {
		t.Errorf("continued what has ended: %v", err)
	}
}

func TestHooksFail(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		end    func(w *world)
		text   string
		left   []string
	}{
		"it fails":               {"", func(w *world) { w.edit(batchV1+"jobs/h", complete("Failed")) }, "failed pre-install: the hook Job/apps/h has failed", []string{"jobs/h", "jobs/ok"}},
		"it fails, and goes":     {"hook-failed", func(w *world) { w.edit(batchV1+"jobs/h", complete("Failed")) }, "has failed", []string{"jobs/ok"}},
		"it takes too long":      {"", func(w *world) { w.now = w.now.Add(5 * time.Minute) }, "timeout waiting for: [Job/apps/h status: 'InProgress'", []string{"jobs/h", "jobs/ok"}},
		"it goes, for no reason": {"", func(w *world) { w.edit(batchV1+"jobs/h", gone); w.now = w.now.Add(5 * time.Minute) }, "Job/apps/h status: 'NotFound'", []string{"jobs/ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.waits(w.install(rendered(configMap("a", "1"), hookOf("ok", 0, "", helm.HookPreInstall), hookOf("h", 1, c.policy, helm.HookPreInstall))))("Job/apps/ok")
			w.edit(batchV1+"jobs/ok", complete("Complete"))
			w.waits(w.Continue(t.Context(), w.target))("Job/apps/h")
			c.end(w)
			w.restart()
			step, err := w.Continue(t.Context(), w.target)
			w.fails(step, err, c.text)
			w.equal("objects", c.left, w.paths())
			w.equal("history", []string{`1 failed: Release "web" failed: ` + step.Failure.Error()}, w.history())
			last, err := w.Last(t.Context(), w.target, Tag{})
			if err != nil || last.Failure != step.Failure.Error() || last.Underway {
				t.Errorf("read again: %+v (%v)", last, err)
			}
		})
	}
}

// A Job that deletes itself when it is done was done.
func TestHookThatVanishes(t *testing.T) {
	w := newWorld(t)
	h := hookOf("h", 0, "", helm.HookPreInstall)
	h.Manifest = doc("Job", "h", "spec:", "  ttlSecondsAfterFinished: 0")
	w.waits(w.install(rendered(configMap("a", "1"), h)))("Job/apps/h")
	w.edit(batchV1+"jobs/h", gone)
	w.done(w.Continue(t.Context(), w.target))
}

func TestWaitForHealth(t *testing.T) {
	deployment := doc("Deployment", "d", "spec:", "  replicas: 1")
	ready := func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		obj.Object["status"] = map[string]any{
			"replicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1), "updatedReplicas": int64(1),
			"conditions": []any{map[string]any{"type": "Available", "status": "True"}},
		}
		return obj
	}
	t.Run("until it is healthy", func(t *testing.T) {
		w := newWorld(t)
		step := w.waits(w.install(rendered(deployment)))("Deployment/apps/d")
		if want := w.now.Add(5 * time.Minute); !step.Waiting.Deadline.Equal(want) {
			t.Errorf("until %s", step.Waiting.Deadline)
		}
		w.requests()
		if o, err := w.Last(t.Context(), w.target, Tag{}); err != nil || !o.Underway || w.requests() != 1 {
			t.Errorf("our own marks were read again: %+v (%v)", o, err)
		}
		w.now = w.now.Add(time.Minute)
		w.restart()
		step = w.waits(w.Continue(t.Context(), w.target))("Deployment/apps/d")
		if want := w.now.Add(4 * time.Minute); !step.Waiting.Deadline.Equal(want) {
			t.Errorf("a restart has moved the deadline to %s", step.Waiting.Deadline)
		}
		w.edit(appsV1+"deployments/d", ready)
		w.done(w.Continue(t.Context(), w.target))
	})
	t.Run("until time is up", func(t *testing.T) {
		w := newWorld(t)
		w.waits(w.install(rendered(deployment)))("Deployment/apps/d")
		w.now = w.now.Add(5 * time.Minute)
		step, err := w.Continue(t.Context(), w.target)
		w.fails(step, err, "timeout waiting for: [Deployment/apps/d status: 'InProgress']")
	})
	t.Run("until it is stopped", func(t *testing.T) {
		w := newWorld(t)
		w.waits(w.install(rendered(deployment)))("Deployment/apps/d")
		step, err := w.Cancel(t.Context(), w.target, errDead)
		w.fails(step, err, "connection refused")
		w.equal("history", []string{`1 failed: Release "web" failed: dial tcp: connection refused`}, w.history())
	})
	t.Run("not at all", func(t *testing.T) {
		w := newWorld(t)
		w.done(w.install(rendered(deployment), func(in *Install) { in.Wait = WaitHooks }))
	})
	t.Run("paused", func(t *testing.T) {
		w := newWorld(t)
		w.done(w.install(rendered(doc("Deployment", "d", "spec:", "  paused: true"))))
	})
	t.Run("a Job that has started", func(t *testing.T) {
		w := newWorld(t)
		r := rendered(doc("Job", "j", "spec:", "  completions: 1"))
		w.made = func(_ string, obj *unstructured.Unstructured) {
			if obj.GetKind() == "Job" {
				obj.Object["status"] = map[string]any{"startTime": "2026-02-03T04:05:06Z"}
			}
		}
		w.done(w.install(r, func(in *Install) { in.WaitForJobs = false }))
		w = newWorld(t)
		w.waits(w.install(r))("Job/apps/j")
	})
}
