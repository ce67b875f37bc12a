package v2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// HelmChartTemplate describes the HelmChart to make for a release. It gets the name
// <namespace>-<name> of the release, in the namespace of the chart's source.
type HelmChartTemplate struct {
	// ObjectMeta is put on the HelmChart.
	// +optional
	ObjectMeta *HelmChartTemplateObjectMeta `json:"metadata,omitempty"`

	// Spec of the HelmChart.
	// +required
	Spec HelmChartTemplateSpec `json:"spec"`
}

// HelmChartTemplateObjectMeta is put on the HelmChart.
type HelmChartTemplateObjectMeta struct {
	// Labels to put on the HelmChart.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations to put on the HelmChart.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// HelmChartTemplateSpec is what the HelmChart says. See the HelmChart's own fields
// for the details.
type HelmChartTemplateSpec struct {
	// Chart is the name of the chart in a HelmRepository, or its path in a
	// GitRepository or Bucket.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Chart string `json:"chart"`

	// Version is a version or a range such as 1.x. Default *, the latest stable.
	// No effect for a GitRepository or Bucket.
	// +kubebuilder:default:=*
	// +optional
	Version string `json:"version,omitempty"`

	// SourceRef names the source that holds the chart. In another namespace, the
	// HelmChart is made there too.
	// +required
	SourceRef CrossNamespaceObjectReference `json:"sourceRef"`

	// Interval between two looks for a newer version. Default: the interval of
	// this HelmRelease.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// ReconcileStrategy says what counts as a new chart: ChartVersion, the
	// default, a different version in Chart.yaml; Revision, any new revision of
	// the source. No effect for a HelmRepository.
	// +kubebuilder:validation:Enum=ChartVersion;Revision
	// +kubebuilder:default:=ChartVersion
	// +optional
	ReconcileStrategy string `json:"reconcileStrategy,omitempty"`

	// ValuesFiles lists files that, merged in this order, replace the default
	// values of the chart. They are paths within the chart for a HelmRepository,
	// and from the root of the source for the others.
	// +optional
	ValuesFiles []string `json:"valuesFiles,omitempty"`

	// IgnoreMissingValuesFiles skips the files that do not exist, instead of
	// failing.
	// +optional
	IgnoreMissingValuesFiles bool `json:"ignoreMissingValuesFiles,omitempty"`

	// Verify asks for a valid signature of the chart. Only charts from a
	// HelmRepository of the type oci can be verified.
	// +optional
	Verify *HelmChartTemplateVerification `json:"verify,omitempty"`
}

// HelmChartTemplateVerification asks for the signature of a chart.
type HelmChartTemplateVerification struct {
	// Provider names the tool that signed: cosign, the default, or notation.
	// +kubebuilder:validation:Enum=cosign;notation
	// +kubebuilder:default:=cosign
	Provider string `json:"provider"`

	// SecretRef names the Secret with what is trusted, in the namespace of the
	// HelmChart: public keys for cosign, a trust policy and certificates for
	// notation. Without it, cosign checks keyless signatures.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`
}

// CrossNamespaceObjectReference names the source that holds a chart.
type CrossNamespaceObjectReference struct {
	// APIVersion of the source. It is accepted for the reader's sake and not
	// compared.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the source.
	// +kubebuilder:validation:Enum=HelmRepository;GitRepository;Bucket
	// +required
	Kind string `json:"kind,omitempty"`

	// Name of the source.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// Namespace of the source. Empty means the namespace of this HelmRelease;
	// others can be forbidden by the flag --no-cross-namespace-refs.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// CrossNamespaceSourceReference names a source whose artifact is a chart.
type CrossNamespaceSourceReference struct {
	// APIVersion of the source. It is accepted for the reader's sake and not
	// compared.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the source. ExternalArtifact needs the feature gate of that name.
	// +kubebuilder:validation:Enum=OCIRepository;HelmChart;ExternalArtifact
	// +required
	Kind string `json:"kind"`

	// Name of the source.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// Namespace of the source. Empty means the namespace of this HelmRelease;
	// others can be forbidden by the flag --no-cross-namespace-refs.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// GetNamespace returns the namespace of the HelmChart, def where its source names
// none.
func (t HelmChartTemplate) GetNamespace(def string) string {
	return or(t.Spec.SourceRef.Namespace, def)
}

// GetInterval returns the interval of the HelmChart, def where none is set.
func (t HelmChartTemplate) GetInterval(def metav1.Duration) metav1.Duration {
	if t.Spec.Interval == nil {
		return def
	}
	return *t.Spec.Interval
}
