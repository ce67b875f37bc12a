package v2

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What applies where spec says nothing.
const (
	DefaultTimeout       = 5 * time.Minute
	DefaultMaxHistory    = 5
	DefaultRetryInterval = 5 * time.Minute
)

// GetReleaseName returns the name of the release before it is shortened.
func (h *HelmRelease) GetReleaseName() string {
	switch {
	case h.Spec.ReleaseName != "":
		return h.Spec.ReleaseName
	case h.Spec.TargetNamespace != "":
		return h.Spec.TargetNamespace + "-" + h.Name
	}
	return h.Name
}

// GetReleaseNamespace returns the namespace to release into.
func (h *HelmRelease) GetReleaseNamespace() string { return or(h.Spec.TargetNamespace, h.Namespace) }

// GetStorageNamespace returns the namespace of the release's records.
func (h *HelmRelease) GetStorageNamespace() string { return or(h.Spec.StorageNamespace, h.Namespace) }

// GetHelmChartName returns the name of the HelmChart that spec.chart describes.
func (h *HelmRelease) GetHelmChartName() string { return h.Namespace + "-" + h.Name }

// GetTimeout returns the timeout of actions that have none of their own.
func (h *HelmRelease) GetTimeout() time.Duration { return orDuration(h.Spec.Timeout, DefaultTimeout) }

// GetMaxHistory returns how many revisions Helm keeps; 0 means all.
func (h *HelmRelease) GetMaxHistory() int {
	if h.Spec.MaxHistory == nil {
		return DefaultMaxHistory
	}
	return *h.Spec.MaxHistory
}

// UsesPersistentClient returns spec.persistentClient, true by default.
func (h *HelmRelease) UsesPersistentClient() bool {
	return h.Spec.PersistentClient == nil || *h.Spec.PersistentClient
}

// GetDriftDetection returns spec.driftDetection, or an empty one.
func (h *HelmRelease) GetDriftDetection() DriftDetection { return deref(h.Spec.DriftDetection) }

// GetInstall returns spec.install, or an empty one.
func (h *HelmRelease) GetInstall() Install { return deref(h.Spec.Install) }

// GetUpgrade returns spec.upgrade, or an empty one.
func (h *HelmRelease) GetUpgrade() Upgrade { return deref(h.Spec.Upgrade) }

// GetTest returns spec.test, or an empty one.
func (h *HelmRelease) GetTest() Test { return deref(h.Spec.Test) }

// GetRollback returns spec.rollback, or an empty one.
func (h *HelmRelease) GetRollback() Rollback { return deref(h.Spec.Rollback) }

// GetUninstall returns spec.uninstall, or an empty one.
func (h *HelmRelease) GetUninstall() Uninstall { return deref(h.Spec.Uninstall) }

// GetHelmChart splits status.helmChart. Both parts are empty when it is unset or
// malformed.
func (s HelmReleaseStatus) GetHelmChart() (namespace, name string) {
	namespace, name, ok := strings.Cut(s.HelmChart, "/")
	if !ok {
		return "", ""
	}
	return namespace, name
}

// ClearFailures sets the three counters of failures to zero.
func (s *HelmReleaseStatus) ClearFailures() {
	s.Failures, s.InstallFailures, s.UpgradeFailures = 0, 0, 0
}

// The methods below implement [api.Object].

// GetConditions returns the conditions in status.
func (h *HelmRelease) GetConditions() []metav1.Condition { return h.Status.Conditions }

// SetConditions replaces the conditions in status.
func (h *HelmRelease) SetConditions(c []metav1.Condition) { h.Status.Conditions = c }

// GetObservedGeneration returns the generation that status speaks of.
func (h *HelmRelease) GetObservedGeneration() int64 { return h.Status.ObservedGeneration }

// SetObservedGeneration notes the generation that status speaks of.
func (h *HelmRelease) SetObservedGeneration(n int64) { h.Status.ObservedGeneration = n }

// GetLastHandledReconcileAt returns the last request that was acted on.
func (h *HelmRelease) GetLastHandledReconcileAt() string { return h.Status.LastHandledReconcileAt }

// SetLastHandledReconcileAt notes the last request that was acted on.
func (h *HelmRelease) SetLastHandledReconcileAt(s string) { h.Status.LastHandledReconcileAt = s }

// IsSuspended returns spec.suspend.
func (h *HelmRelease) IsSuspended() bool { return h.Spec.Suspend }

// GetRequeueAfter returns spec.interval.
func (h *HelmRelease) GetRequeueAfter() time.Duration { return h.Spec.Interval.Duration }

// GetRetryInterval returns 0: failures are retried with backoff. The retry interval
// of an action's strategy is the reconciler's business.
func (h *HelmRelease) GetRetryInterval() time.Duration { return 0 }

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func orDuration(d *metav1.Duration, def time.Duration) time.Duration {
	if d == nil {
		return def
	}
	return d.Duration
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
