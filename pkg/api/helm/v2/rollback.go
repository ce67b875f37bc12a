package v2

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rollback says how to roll back.
type Rollback struct {
	// Timeout for each wait within the rollback. Default: the timeout of this
	// HelmRelease.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

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

	// Recreate is accepted and has no effect. It once restarted Pods.
	// +optional
	Recreate bool `json:"recreate,omitempty"`

	// Force replaces objects instead of patching them. No effect with server-side
	// apply.
	// +optional
	Force bool `json:"force,omitempty"`

	// CleanupOnFail deletes the objects that a failed rollback has added.
	// +optional
	CleanupOnFail bool `json:"cleanupOnFail,omitempty"`

	// ServerSideApply says whether the API server merges changes and tracks who
	// owns which field: enabled, disabled, or auto, the default, as the release
	// to go back to did.
	// +kubebuilder:validation:Enum=enabled;disabled;auto
	// +optional
	ServerSideApply ServerSideApplyMode `json:"serverSideApply,omitempty"`
}

// GetTimeout returns the timeout, def where none is set.
func (r Rollback) GetTimeout(def time.Duration) time.Duration { return orDuration(r.Timeout, def) }
