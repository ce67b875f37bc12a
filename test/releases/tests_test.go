package releases

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// hook is a Job for the given events, which fails if the value of that name is true.
func hook(name, events, fails string) string {
	return `apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-` + name + `
  annotations: {helm.sh/hook: "` + events + `"}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {fluxd.test/fail: {{ .Values.` + fails + ` | quote }}}}
    spec:
      restartPolicy: Never
      containers: [{name: job, image: example.com/job}]
`
}

// proven is a chart with two tests, of which the second fails if the value broken is
// true.
func proven(version string) upstream.Chart {
	return app(version, map[string]string{
		"templates/tests/first.yaml":  hook("first", "test", "never"),
		"templates/tests/second.yaml": hook("second", "test", "broken"),
	})
}

// phases returns how the tests of the latest revision ended, by name.
func phases(obj *unstructured.Unstructured) map[string]string {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "history")
	if len(list) == 0 {
		return nil
	}
	hooks, _, _ := unstructured.NestedMap(list[0].(map[string]any), "testHooks")
	out := map[string]string{}
	for name, hook := range hooks {
		out[name], _, _ = unstructured.NestedString(hook.(map[string]any), "phase")
	}
	return out
}

// Tests are run after an install; what a filter leaves out is not there at all.
func TestTestsSucceed(t *testing.T) {
	r := newRelease(t, proven("1.0.0"))
	r.helmRelease("web", "test: {enable: true}")
	obj := r.ready("web")
	r.condition(obj, "Ready", "True/TestSucceeded", "2 test hooks completed successfully")
	r.condition(obj, "Released", "True/InstallSucceeded")
	world.Equal(t, "tests", map[string]string{"web-first": "Succeeded", "web-second": "Succeeded"}, phases(obj))

	r.helmRelease("filtered", "test: {enable: true, filters: [{name: filtered-second, exclude: true}]}")
	obj = r.ready("filtered")
	world.Equal(t, "tests", map[string]string{"filtered-first": "Succeeded"}, phases(obj))

	r.set("filtered", map[string]any{"test": nil})
	obj = r.Wait(api.HelmReleaseGVR, "filtered", world.Has("Ready", "True/InstallSucceeded"))
	r.condition(obj, "TestSuccess", "")
}

// A test that fails after an install leaves the release not ready.
func TestTestFails(t *testing.T) {
	r := newRelease(t, proven("1.0.0"))
	r.helmRelease("web", "test: {enable: true}", "values: {broken: true}")
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Ready", "False/TestFailed", "Helm test failed for release "+r.Namespace+"/web.v1 with chart app@1.0.0")
	r.condition(obj, "Released", "True/InstallSucceeded")
	world.Equal(t, "tests", map[string]string{"web-first": "Succeeded", "web-second": "Failed"}, phases(obj))
	r.counts(obj, 1, 1, 0)
}

// A failure that is to be ignored is told and does not matter.
func TestFailedTestIsIgnored(t *testing.T) {
	r := newRelease(t, proven("1.0.0"))
	r.helmRelease("web", "test: {enable: true, ignoreFailures: true}", "values: {broken: true}")
	obj := r.ready("web")
	r.condition(obj, "Ready", "True/InstallSucceeded")
	r.condition(obj, "TestSuccess", "False/TestFailed")
}

// A test that fails after an upgrade is a reason to roll back.
func TestFailedTestIsRolledBack(t *testing.T) {
	r := newRelease(t, proven("1.0.0"))
	r.helmRelease("web", "test: {enable: true}", "upgrade: {remediation: {remediateLastFailure: true}}")
	r.ready("web")
	r.values("web", map[string]any{"broken": true, "word": "bad"})
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Ready", "False/RollbackSucceeded")
	r.counts(obj, 1, 0, 1)
	world.Equal(t, "records", []string{
		"sh.helm.release.v1.web.v1 superseded", "sh.helm.release.v1.web.v2 superseded", "sh.helm.release.v1.web.v3 deployed",
	}, r.records())
	world.Equal(t, "word", "hello", world.Field(r.Get(configMaps, "web-config"), "data", "word"))
}

// Hooks run before and after, and one that fails fails the release.
func TestHooks(t *testing.T) {
	chart := app("1.0.0", map[string]string{
		"templates/before.yaml": hook("before", "pre-install,pre-upgrade", "never"),
		"templates/after.yaml":  hook("after", "post-install,post-upgrade", "broken"),
		"templates/end.yaml":    hook("end", "pre-delete", "never"),
	})
	r := newRelease(t, chart)
	r.helmRelease("web", "upgrade: {remediation: {remediateLastFailure: true}}")
	r.ready("web")
	for _, job := range []string{"web-before", "web-after"} {
		if r.Get(harness.Jobs, job) == nil {
			t.Errorf("the hook %s has not run", job)
		}
	}
	r.values("web", map[string]any{"broken": true})
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Released", "False/UpgradeFailed", "post-upgrade hooks failed", "web-after")
	r.condition(obj, "Ready", "False/RollbackSucceeded")

	mark := r.Mark()
	r.Delete(api.HelmReleaseGVR, "web")
	r.Wait(api.HelmReleaseGVR, "web", harness.Gone)
	world.Equal(t, "records", []string(nil), r.records())
	ran := false
	for _, request := range r.Writes(mark) {
		ran = ran || request == "batch/jobs patch web-end"
	}
	if !ran {
		t.Errorf("the hook of the uninstall has not run: %v", r.Writes(mark))
	}
}
