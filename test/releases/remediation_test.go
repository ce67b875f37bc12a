package releases

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// fragile is a chart whose release fails if its value broken is true: the API server
// does not accept the name of an object.
func fragile(version string) upstream.Chart {
	return app(version, map[string]string{
		"templates/fragile.yaml": "{{ if .Values.broken }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: NOT_A_NAME}\n{{ end }}",
	})
}

// stalled waits until nothing more is tried for a HelmRelease, and returns it.
func (r release) stalled(name, reason string) *unstructured.Unstructured {
	r.T.Helper()
	return r.Wait(api.HelmReleaseGVR, name, world.Has("Stalled", "True/"+reason))
}

func (r release) counts(obj *unstructured.Unstructured, failures, installs, upgrades int64) {
	r.T.Helper()
	got := []int64{number(obj, "failures"), number(obj, "installFailures"), number(obj, "upgradeFailures")}
	world.Equal(r.T, "failures, of installs, of upgrades", []int64{failures, installs, upgrades}, got)
}

func (r release) condition(obj *unstructured.Unstructured, kind, want string, parts ...string) {
	r.T.Helper()
	short, message := world.Condition(obj, kind)
	world.Equal(r.T, kind, want, short)
	world.Contains(r.T, kind, message, parts...)
}

// Without anything said about failures, an install that fails is left as it is.
func TestInstallFails(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "values: {broken: true}")
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Stalled", "True/RetriesExceeded", "Failed to install after 1 attempt(s)")
	r.condition(obj, "Ready", "False/InstallFailed", "Helm install failed for release "+r.Namespace+"/web with chart app@1.0.0+", "NOT_A_NAME")
	r.condition(obj, "Released", "False/InstallFailed")
	r.condition(obj, "Reconciling", "")
	r.counts(obj, 1, 1, 0)
	world.Equal(t, "history", []string{"1 failed 1.0.0"}, history(obj))
	world.Equal(t, "records", []string{"sh.helm.release.v1.web.v1 failed"}, r.records())

	r.values("web", map[string]any{"broken": false})
	obj = r.ready("web")
	r.condition(obj, "Ready", "True/UpgradeSucceeded")
	r.counts(obj, 0, 0, 0)
	world.Equal(t, "history", []string{"2 deployed 1.0.0", "1 superseded 1.0.0"}, history(obj))
}

// With a retry, a failed install is uninstalled and tried again, and the last one is left.
func TestInstallIsTriedAgain(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "values: {broken: true}", "install: {remediation: {retries: 1}}")
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Stalled", "True/RetriesExceeded", "Failed to install after 2 attempt(s)")
	r.condition(obj, "Remediated", "")
	r.counts(obj, 2, 2, 0)
	world.Equal(t, "records", []string{"sh.helm.release.v1.web.v1 failed"}, r.records())
}

// The last failure is remediated as well if that is asked for.
func TestLastFailureIsRemediated(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "values: {broken: true}", "install: {remediation: {remediateLastFailure: true}}")
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Stalled", "True/RetriesExceeded", "Failed to install after 1 attempt(s)")
	r.condition(obj, "Ready", "False/UninstallSucceeded", "Helm uninstall remediation for release "+r.Namespace+"/web.v1 with chart app@1.0.0+", "succeeded")
	world.Equal(t, "records", []string(nil), r.records())
}

// Without anything said about failures, an upgrade that fails is not rolled back.
func TestUpgradeFails(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web")
	r.ready("web")
	r.values("web", map[string]any{"broken": true})
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Stalled", "True/RetriesExceeded", "Failed to upgrade after 1 attempt(s)")
	r.condition(obj, "Ready", "False/UpgradeFailed")
	world.Equal(t, "history", []string{"2 failed 1.0.0", "1 deployed 1.0.0"}, history(obj))
	r.counts(obj, 1, 0, 1)
}

// With a retry, a failed upgrade is rolled back, tried again, and rolled back again.
// What is then wanted again as it was needs no revision.
func TestUpgradeIsRolledBack(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "upgrade: {remediation: {retries: 1}}")
	r.ready("web")
	r.values("web", map[string]any{"broken": true})
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Ready", "False/RollbackSucceeded", "Helm rollback to previous release "+r.Namespace+"/web.v3 with chart app@1.0.0+")
	r.condition(obj, "Stalled", "True/RetriesExceeded", "Failed to upgrade after 2 attempt(s)")
	r.counts(obj, 2, 0, 2)
	world.Equal(t, "records", []string{
		"sh.helm.release.v1.web.v1 superseded", "sh.helm.release.v1.web.v2 failed", "sh.helm.release.v1.web.v3 superseded",
		"sh.helm.release.v1.web.v4 failed", "sh.helm.release.v1.web.v5 deployed",
	}, r.records())
	before := r.records()

	r.values("web", nil)
	obj = r.ready("web")
	r.condition(obj, "Ready", "True/UpgradeSucceeded")
	r.condition(obj, "Remediated", "")
	world.Equal(t, "records", before, r.records())
}

// The other remedy for an upgrade is to uninstall, after which it is an install that has
// retries of its own.
func TestUpgradeIsUninstalled(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "upgrade: {remediation: {strategy: uninstall, remediateLastFailure: true}}")
	r.ready("web")
	r.values("web", map[string]any{"broken": true})
	obj := r.stalled("web", "RetriesExceeded")
	r.condition(obj, "Stalled", "True/RetriesExceeded", "Failed to install after 1 attempt(s)")
	r.counts(obj, 2, 1, 1)
	world.Equal(t, "records", []string{"sh.helm.release.v1.web.v1 failed"}, r.records())
}

// With the strategy to retry, a failed install is upgraded after the interval, and success
// makes everybody forget.
func TestFailuresAreRetried(t *testing.T) {
	r := newRelease(t, fragile("1.0.0"))
	r.helmRelease("web", "values: {broken: true}",
		"install: {strategy: {name: RetryOnFailure, retryInterval: 1s}}", "upgrade: {strategy: {name: RetryOnFailure, retryInterval: 1s}}")
	obj := r.Wait(api.HelmReleaseGVR, "web", func(obj *unstructured.Unstructured) bool { return number(obj, "upgradeFailures") >= 2 })
	r.condition(obj, "Stalled", "")
	world.Equal(t, "an install", int64(1), number(obj, "installFailures"))
	r.values("web", map[string]any{"broken": false})
	obj = r.ready("web")
	r.condition(obj, "Ready", "True/UpgradeSucceeded")
	r.counts(obj, 0, 0, 0)
}

// A release that another tool has left pending is freed and upgraded.
func TestPendingReleaseOfOthers(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.ready("web")
	r.Kubectl("get", "secret", "sh.helm.release.v1.web.v1")
	r.pend("sh.helm.release.v1.web.v1")
	r.Reconciled(api.HelmReleaseGVR, "web")
	obj := r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "True/UpgradeSucceeded"))
	world.Equal(t, "records", []string{"sh.helm.release.v1.web.v1 superseded", "sh.helm.release.v1.web.v2 deployed"}, r.records())
	world.Equal(t, "latest", "2 deployed 1.0.0", history(obj)[0])
}
