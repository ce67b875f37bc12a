package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// Values of [HelmChartSpec.ReconcileStrategy].
const (
	ReconcileChartVersion = "ChartVersion"
	ReconcileRevision     = "Revision"
)

// HelmChartSpec says which chart to fetch or package, from which source.
//
// +kubebuilder:validation:XValidation:rule="!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",message="spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'"
type HelmChartSpec struct {
	// Chart is the name of the chart in a HelmRepository, or its path in a
	// GitRepository or Bucket: a folder, or a packaged .tgz.
	// +required
	Chart string `json:"chart"`

	// Version is a version or a range such as 1.x; the highest one within it is
	// used. Default *, the latest stable. No effect for a GitRepository or
	// Bucket, where the chart itself says what it is.
	// +kubebuilder:default:=*
	// +optional
	Version string `json:"version,omitempty"`

	// SourceRef names the source that holds the chart.
	// +required
	SourceRef LocalHelmChartSourceReference `json:"sourceRef"`

	// Interval between two looks for a newer version, such as 10m or 1h. A few
	// percent of jitter spread the load. A new revision of the source is looked
	// at immediately.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +required
	Interval metav1.Duration `json:"interval"`

	// ReconcileStrategy says what makes a new artifact: ChartVersion, the
	// default, a different version in Chart.yaml; Revision, any new revision of
	// the source, which is then appended to the version. No effect for a
	// HelmRepository.
	// +kubebuilder:validation:Enum=ChartVersion;Revision
	// +kubebuilder:default:=ChartVersion
	// +optional
	ReconcileStrategy string `json:"reconcileStrategy,omitempty"`

	// ValuesFiles lists files that, merged in this order, replace the default
	// values of the chart. They are paths within the chart for a HelmRepository,
	// and from the root of the source for the others. To keep the defaults, list
	// values.yaml first.
	// +optional
	ValuesFiles []string `json:"valuesFiles,omitempty"`

	// IgnoreMissingValuesFiles skips the files that do not exist, instead of
	// failing. If none exists the chart has no default values.
	// +optional
	IgnoreMissingValuesFiles bool `json:"ignoreMissingValuesFiles,omitempty"`

	// Suspend stops looking for newer versions. Consumers keep the last artifact.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Verify asks for a valid signature before anything is published. Only charts
	// from a HelmRepository of the type oci can be verified.
	// +optional
	Verify *HelmChartVerification `json:"verify,omitempty"`
}

// LocalHelmChartSourceReference names the source of a HelmChart.
type LocalHelmChartSourceReference struct {
	// APIVersion of the source. It is accepted for the reader's sake and not
	// compared.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the source.
	// +kubebuilder:validation:Enum=HelmRepository;GitRepository;Bucket
	// +required
	Kind string `json:"kind"`

	// Name of the source, which must be in the namespace of this HelmChart.
	// +required
	Name string `json:"name"`
}

// HelmChartStatus says what was fetched or packaged last.
type HelmChartStatus struct {
	api.ReconcileStatus `json:",inline"`

	// ObservedSourceArtifactRevision is the revision of the source that was last
	// looked at.
	// +optional
	ObservedSourceArtifactRevision string `json:"observedSourceArtifactRevision,omitempty"`

	// ObservedChartName is the name that the chart gives itself.
	// +optional
	ObservedChartName string `json:"observedChartName,omitempty"`

	// ObservedValuesFiles lists the files that were found and merged, while
	// spec.ignoreMissingValuesFiles is true.
	// +optional
	ObservedValuesFiles []string `json:"observedValuesFiles,omitempty"`

	// URL under which the latest chart can be downloaded while the artifact
	// server is switched on.
	// +optional
	URL string `json:"url,omitempty"`

	// Artifact is the chart that was last fetched or packaged successfully.
	// +optional
	Artifact *api.Artifact `json:"artifact,omitempty"`
}

// HelmChart turns a chart of a HelmRepository, GitRepository or Bucket into an
// artifact.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hc,categories=all;fluxcd;fluxcd-sources
// +kubebuilder:printcolumn:name="Chart",type=string,JSONPath=`.spec.chart`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Source Kind",type=string,JSONPath=`.spec.sourceRef.kind`
// +kubebuilder:printcolumn:name="Source Name",type=string,JSONPath=`.spec.sourceRef.name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=source-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type HelmChart struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which chart to fetch or package, from which source.
	Spec HelmChartSpec `json:"spec,omitempty"`

	// Status says what was fetched or packaged last, and what hinders the next.
	// +kubebuilder:default={"observedGeneration":-1}
	Status HelmChartStatus `json:"status,omitempty"`
}

// HelmChartList is a list of HelmCharts.
//
// +kubebuilder:object:root=true
type HelmChartList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HelmChart `json:"items"`
}

// GetArtifact implements [api.Source].
func (h *HelmChart) GetArtifact() *api.Artifact { return h.Status.Artifact }

// The methods below implement [api.Object].

// GetConditions returns the conditions in status.
func (h *HelmChart) GetConditions() []metav1.Condition { return h.Status.Conditions }

// SetConditions replaces the conditions in status.
func (h *HelmChart) SetConditions(c []metav1.Condition) { h.Status.Conditions = c }

// GetObservedGeneration returns the generation that status speaks of.
func (h *HelmChart) GetObservedGeneration() int64 { return h.Status.ObservedGeneration }

// SetObservedGeneration notes the generation that status speaks of.
func (h *HelmChart) SetObservedGeneration(n int64) { h.Status.ObservedGeneration = n }

// GetLastHandledReconcileAt returns the last request that was acted on.
func (h *HelmChart) GetLastHandledReconcileAt() string { return h.Status.LastHandledReconcileAt }

// SetLastHandledReconcileAt notes the last request that was acted on.
func (h *HelmChart) SetLastHandledReconcileAt(s string) { h.Status.LastHandledReconcileAt = s }

// IsSuspended returns spec.suspend.
func (h *HelmChart) IsSuspended() bool { return h.Spec.Suspend }

// GetRequeueAfter returns spec.interval.
func (h *HelmChart) GetRequeueAfter() time.Duration { return h.Spec.Interval.Duration }

// GetRetryInterval returns 0: failures are retried with backoff.
func (h *HelmChart) GetRetryInterval() time.Duration { return 0 }
