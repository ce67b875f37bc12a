package v2

import "github.com/fluxd/fluxd/pkg/api"

// DriftDetectionMode says what to do about drift.
type DriftDetectionMode string

// Values of [DriftDetection.Mode].
const (
	DriftEnabled  DriftDetectionMode = "enabled"
	DriftWarn     DriftDetectionMode = "warn"
	DriftDisabled DriftDetectionMode = "disabled"
)

// DriftDetection compares the cluster with the release.
type DriftDetection struct {
	// Mode says what to do about differences: enabled sets them back, warn only
	// tells of them, disabled, the default, does not look. An object with the
	// label or annotation helm.toolkit.fluxcd.io/driftDetection: disabled is left
	// out.
	// +kubebuilder:validation:Enum=enabled;warn;disabled
	// +optional
	Mode DriftDetectionMode `json:"mode,omitempty"`

	// Ignore names fields that others may change.
	// +optional
	Ignore []api.IgnoreRule `json:"ignore,omitempty"`
}

// GetMode returns the mode, disabled by default.
func (d DriftDetection) GetMode() DriftDetectionMode {
	if d.Mode == "" {
		return DriftDisabled
	}
	return d.Mode
}

// Detects says whether the cluster is looked at.
func (d DriftDetection) Detects() bool { return d.GetMode() != DriftDisabled }
