package v2

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Test says whether and how to run the tests of a chart.
type Test struct {
	// Enable runs the tests after every install and upgrade.
	// +optional
	Enable bool `json:"enable,omitempty"`

	// Timeout for each test. Default: the timeout of this HelmRelease.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// IgnoreFailures lets the release be ready even if tests fail. The
	// remediation of install and upgrade can decide differently.
	// +optional
	IgnoreFailures bool `json:"ignoreFailures,omitempty"`

	// Filters selects the tests to run. Without any, all are run.
	// +optional
	Filters []Filter `json:"filters,omitempty"`
}

// Filter selects a test.
type Filter struct {
	// Name of the test: the name of the hook's object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// Exclude leaves this test out. Without it this test is run, and tests that
	// no filter names are not.
	// +optional
	Exclude bool `json:"exclude,omitempty"`
}

// GetTimeout returns the timeout, def where none is set.
func (t Test) GetTimeout(def time.Duration) time.Duration { return orDuration(t.Timeout, def) }
