package v2

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Install says how to install.
type Install struct {
	// Timeout for each wait within the install. Default: the timeout of this
	// HelmRelease.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Strategy says what follows a failed install. Default RemediateOnFailure.
	// +optional
	Strategy *InstallStrategy `json:"strategy,omitempty"`

	// Remediation says how often to uninstall and try again. No effect with the
	// strategy RetryOnFailure.
	// +optional
	Remediation *InstallRemediation `json:"remediation,omitempty"`

	// DisableTakeOwnership fails if an object exists already and does not belong
	// to the release, instead of adopting it.
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

	// Replace lets the install reuse the name of a release that was uninstalled
	// with its history kept, or that failed.
	// +optional
	Replace bool `json:"replace,omitempty"`

	// SkipCRDs is accepted and has no effect. Use crds: Skip.
	// +optional
	SkipCRDs bool `json:"skipCRDs,omitempty"`

	// CRDs says what to do with the crds folders of the chart: Create, the
	// default, makes those that do not exist; CreateReplace also overwrites those
	// that do; Skip leaves them out. None is ever deleted.
	// +kubebuilder:validation:Enum=Skip;Create;CreateReplace
	// +optional
	CRDs CRDsPolicy `json:"crds,omitempty"`

	// CreateNamespace makes the namespace in targetNamespace if it does not exist.
	// It is not deleted with the release.
	// +optional
	CreateNamespace bool `json:"createNamespace,omitempty"`

	// ServerSideApply lets the API server merge changes and track who owns which
	// field. Default true. Upgrades go on the same way unless told otherwise.
	// +optional
	ServerSideApply *bool `json:"serverSideApply,omitempty"`
}

// InstallStrategy says what follows a failed install.
//
// +kubebuilder:validation:XValidation:rule="!has(self.retryInterval) || self.name != 'RemediateOnFailure'", message=".retryInterval cannot be set when .name is 'RemediateOnFailure'"
type InstallStrategy struct {
	// Name of the strategy: RemediateOnFailure does what remediation says;
	// RetryOnFailure leaves the failed release in place and upgrades it after
	// retryInterval, again and again.
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

// InstallRemediation says how often to uninstall and try again.
type InstallRemediation struct {
	// Retries is how many more attempts follow the first. Default 0; a negative
	// number means without end.
	// +optional
	Retries int `json:"retries,omitempty"`

	// IgnoreTestFailures does not count failed tests as a failed install.
	// Default: test.ignoreFailures.
	// +optional
	IgnoreTestFailures *bool `json:"ignoreTestFailures,omitempty"`

	// RemediateLastFailure also uninstalls after the last attempt, so that nothing
	// is left. Default false.
	// +optional
	RemediateLastFailure *bool `json:"remediateLastFailure,omitempty"`
}

// GetTimeout returns the timeout, def where none is set.
func (i Install) GetTimeout(def time.Duration) time.Duration { return orDuration(i.Timeout, def) }

// GetRemediation returns the remediation, or an empty one.
func (i Install) GetRemediation() InstallRemediation { return deref(i.Remediation) }

// GetRetryInterval returns the time until the next attempt.
func (s InstallStrategy) GetRetryInterval() time.Duration {
	return orDuration(s.RetryInterval, DefaultRetryInterval)
}

// IgnoresTestFailures returns ignoreTestFailures, def where it is not set.
func (r InstallRemediation) IgnoresTestFailures(def bool) bool {
	return orBool(r.IgnoreTestFailures, def)
}

// RemediatesLastFailure returns remediateLastFailure, false by default.
func (r InstallRemediation) RemediatesLastFailure() bool {
	return orBool(r.RemediateLastFailure, false)
}

func orBool(b *bool, def bool) bool {
	if b == nil {
		return def
	}
	return *b
}
