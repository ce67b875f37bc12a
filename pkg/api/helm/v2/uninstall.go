package v2

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Uninstall says how to uninstall.
type Uninstall struct {
	// Timeout for each wait within the uninstall. Default: the timeout of this
	// HelmRelease.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// DisableHooks skips the hooks of the chart.
	// +optional
	DisableHooks bool `json:"disableHooks,omitempty"`

	// KeepHistory keeps the records of the release, marked as uninstalled. To
	// install again under the same name, set install.replace.
	// +optional
	KeepHistory bool `json:"keepHistory,omitempty"`

	// DisableWait does not wait until the objects are gone.
	// +optional
	DisableWait bool `json:"disableWait,omitempty"`

	// DeletionPropagation says what becomes of the objects that the release's
	// objects own, such as the Pods of a Deployment: background, the default,
	// deletes them afterwards, foreground before their owner, orphan not at all.
	// +kubebuilder:default=background
	// +kubebuilder:validation:Enum=background;foreground;orphan
	// +optional
	DeletionPropagation *string `json:"deletionPropagation,omitempty"`
}

// GetTimeout returns the timeout, def where none is set.
func (u Uninstall) GetTimeout(def time.Duration) time.Duration { return orDuration(u.Timeout, def) }

// GetDeletionPropagation returns the propagation, background by default.
func (u Uninstall) GetDeletionPropagation() string {
	return or(deref(u.DeletionPropagation), PropagateBackground)
}
