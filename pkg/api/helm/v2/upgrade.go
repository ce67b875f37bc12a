package v2

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Upgrade says how to upgrade.
type Upgrade struct {
	// Timeout for each wait within the upgrade. Default: the timeout of this
	// HelmRelease.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Strategy says what follows a failed upgrade. Default RemediateOnFailure.
	// +optional
	Strategy *UpgradeStrategy `json:"strategy,omitempty"`

	// Remediation says how to get back to a working release, and how often to try
	// again. No effect with the strategy RetryOnFailure.
	// +optional
	Remediation *UpgradeRemediation `json:"remediation,omitempty"`

	// DisableTakeOwnership fails if a new object exists already and does not
	// belong to the release, instead of adopting it.
	// +optional
	DisableTakeOwnership bool `json:"disableTakeOwnership,omitempty"`

	// DisableWait does not wait for the objects to be ready, only for hooks.
	// +optional
	DisableWait bool `json:"disableWait,omitempty"`

	// DisableWaitForJobs waits for Jobs to have started, not for them to be
	// complete.
	// +optional
	DisableWaitForJobs bool `json:"disableWaitForJobs,omitempty"`

	// DisableHooks skips the hooks of the chart.
	// +optional
	DisableHooks bool `json:"disableHooks,omitempty"`

	// DisableOpenAPIValidation skips the check of what the chart yields against
	// the schemas of the cluster.
	// +optional
	DisableOpenAPIValidation bool `json:"disableOpenAPIValidation,omitempty"`

	// DisableSchemaValidation skips the check of the values against the schema
	// that the chart brings along.
	// +optional
	DisableSchemaValidation bool `json:"disableSchemaValidation,omitempty"`

	// Force replaces objects instead of patching them, which takes back what
	// others changed. No effect with server-side apply.
	// +optional
	Force bool `json:"force,omitempty"`

	// PreserveValues merges the values over those of the last release, instead of
	// starting from the defaults of the chart.
	// +optional
	PreserveValues bool `json:"preserveValues,omitempty"`

	// CleanupOnFail deletes the objects that a failed upgrade has added.
	// +optional
	CleanupOnFail bool `json:"cleanupOnFail,omitempty"`

	// CRDs says what to do with the crds folders of the chart: Create, the
	// default, makes those that do not exist; CreateReplace also overwrites those
	// that do; Skip leaves them out. None is ever deleted.
	// +kubebuilder:validation:Enum=Skip;Create;CreateReplace
	// +optional
	CRDs CRDsPolicy `json:"crds,omitempty"`

	// ServerSideApply says whether the API server merges changes and tracks who
	// owns which field: enabled, disabled, or auto, the default, as the last
	// release did.
	// +kubebuilder:validation:Enum=enabled;disabled;auto
	// +optional
	ServerSideApply ServerSideApplyMode `json:"serverSideApply,omitempty"`

	// ChartNameChangeStrategy says what to do when the chart has another name than
	// that of the last release: Reinstall, the default, uninstalls and installs;
	// InPlaceUpdate upgrades as usual.
	// +kubebuilder:validation:Enum=InPlaceUpdate;Reinstall
	// +optional
	ChartNameChangeStrategy ChartNameChangeStrategy `json:"chartNameChangeStrategy,omitempty"`
}

// UpgradeStrategy says what follows a failed upgrade.
//
// +kubebuilder:validation:XValidation:rule="!has(self.retryInterval) || self.name == 'RetryOnFailure'", message=".retryInterval can only be set when .name is 'RetryOnFailure'"
type UpgradeStrategy struct {
	// Name of the strategy: RemediateOnFailure does what remediation says;
	// RetryOnFailure leaves the failed release in place and upgrades it again
	// after retryInterval.
	// +kubebuilder:validation:Enum=RemediateOnFailure;RetryOnFailure
	// +required
	Name string `json:"name"`

	// RetryInterval is how long to wait before the next attempt. Default 5m. Only
	// with the strategy RetryOnFailure.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`
}

// UpgradeRemediation says how to get back to a working release.
type UpgradeRemediation struct {
	// Retries is how many more attempts follow the first. Default 0; a negative
	// number means without end.
	// +optional
	Retries int `json:"retries,omitempty"`

	// IgnoreTestFailures does not count failed tests as a failed upgrade.
	// Default: test.ignoreFailures.
	// +optional
	IgnoreTestFailures *bool `json:"ignoreTestFailures,omitempty"`

	// RemediateLastFailure also remediates after the last attempt, so that the
	// cluster is not left with the failed release. Default: true if retries is
	// greater than 0.
	// +optional
	RemediateLastFailure *bool `json:"remediateLastFailure,omitempty"`

	// Strategy says how to remediate: rollback, the default, goes back to the last
	// release that worked; uninstall removes everything and installs anew.
	// +kubebuilder:validation:Enum=rollback;uninstall
	// +optional
	Strategy *RemediationStrategy `json:"strategy,omitempty"`
}

// GetTimeout returns the timeout, def where none is set.
func (u Upgrade) GetTimeout(def time.Duration) time.Duration { return orDuration(u.Timeout, def) }

// GetRemediation returns the remediation, or an empty one.
func (u Upgrade) GetRemediation() UpgradeRemediation { return deref(u.Remediation) }

// GetChartNameChangeStrategy returns the strategy, Reinstall by default.
func (u Upgrade) GetChartNameChangeStrategy() ChartNameChangeStrategy {
	if u.ChartNameChangeStrategy == "" {
		return ChartNameChangeReinstall
	}
	return u.ChartNameChangeStrategy
}

// GetRetryInterval returns the time until the next attempt.
func (s UpgradeStrategy) GetRetryInterval() time.Duration {
	return orDuration(s.RetryInterval, DefaultRetryInterval)
}

// IgnoresTestFailures returns ignoreTestFailures, def where it is not set.
func (r UpgradeRemediation) IgnoresTestFailures(def bool) bool {
	return orBool(r.IgnoreTestFailures, def)
}

// RemediatesLastFailure returns remediateLastFailure, by default whether there are
// retries.
func (r UpgradeRemediation) RemediatesLastFailure() bool {
	return orBool(r.RemediateLastFailure, r.Retries > 0)
}

// GetStrategy returns the strategy, rollback by default.
func (r UpgradeRemediation) GetStrategy() RemediationStrategy {
	if r.Strategy == nil {
		return RemediateRollback
	}
	return *r.Strategy
}
