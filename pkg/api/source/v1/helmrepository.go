package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// Values of [HelmRepositorySpec.Type].
const (
	HelmRepositoryDefault = "default"
	HelmRepositoryOCI     = "oci"
)

// DefaultHelmInterval is the interval of HelmRepositories that name none.
const DefaultHelmInterval = time.Minute

// HelmRepositorySpec says where charts are offered, and how to get at them.
type HelmRepositorySpec struct {
	// URL of the repository. For the type default, http or https to the folder
	// that holds index.yaml; for the type oci, oci:// to the path under which the
	// charts are.
	// +kubebuilder:validation:Pattern="^(http|https|oci)://.*$"
	// +required
	URL string `json:"url"`

	// SecretRef names the Secret with the credentials: username and password, or
	// for the type oci also a pull Secret of the type
	// kubernetes.io/dockerconfigjson. TLS entries in it are honoured for the type
	// default while certSecretRef is not set; prefer the latter.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`

	// CertSecretRef names the Secret with the TLS material for the server: ca.crt
	// to trust a private CA in addition to the public ones, tls.crt and tls.key
	// for a client certificate. All are PEM.
	// +optional
	CertSecretRef *api.LocalObjectReference `json:"certSecretRef,omitempty"`

	// PassCredentials also sends the credentials to other hosts that the index
	// points to. By default only the scheme, host and port of url get them. No
	// effect for the type oci.
	// +optional
	PassCredentials bool `json:"passCredentials,omitempty"`

	// Interval between two looks at the index, such as 10m or 1h. Default 1m. No
	// effect for the type oci, which is only looked at when a chart is wanted.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Insecure allows plain HTTP to the registry. No effect for the type default,
	// where the scheme of url decides.
	// +optional
	Insecure bool `json:"insecure,omitempty"`

	// Timeout for fetching the index or, for the type oci, for a registry
	// operation. Default 60s; hours are not accepted.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Suspend stops looking at the index. Charts can still be had from the last
	// one.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// AccessFrom is accepted and has no effect: charts are only read within the
	// namespace.
	// +optional
	AccessFrom *AccessFrom `json:"accessFrom,omitempty"`

	// Type of the repository: default, for an HTTP server with an index, or oci,
	// for a registry.
	// +kubebuilder:validation:Enum=default;oci
	// +optional
	Type string `json:"type,omitempty"`

	// Provider decides how to log in to a registry without secretRef: generic,
	// the default, anonymously; aws, azure and gcp with a token for the
	// workload's cloud identity. No effect for the type default.
	// +kubebuilder:validation:Enum=generic;aws;azure;gcp
	// +kubebuilder:default:=generic
	// +optional
	Provider string `json:"provider,omitempty"`
}

// AccessFrom once let other namespaces in.
type AccessFrom struct {
	// NamespaceSelectors is a list of namespaces by label. It has no effect.
	// +required
	NamespaceSelectors []NamespaceSelector `json:"namespaceSelectors"`
}

// NamespaceSelector picks namespaces by label.
type NamespaceSelector struct {
	// MatchLabels are labels with the values that a namespace would need.
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
}

// HelmRepositoryStatus says what was fetched last. It stays empty for the type oci.
type HelmRepositoryStatus struct {
	api.ReconcileStatus `json:",inline"`

	// URL under which the latest index can be downloaded while the artifact
	// server is switched on.
	// +optional
	URL string `json:"url,omitempty"`

	// Artifact is the index that was last fetched successfully.
	// +optional
	Artifact *api.Artifact `json:"artifact,omitempty"`
}

// HelmRepository turns the index of a Helm repository into an artifact, or says how
// to reach a registry that holds charts.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=helmrepo,categories=all;fluxcd;fluxcd-sources
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=source-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type HelmRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where charts are offered, and how to get at them.
	Spec HelmRepositorySpec `json:"spec,omitempty"`

	// Status says what was fetched last, and what hinders the next.
	// +kubebuilder:default={"observedGeneration":-1}
	Status HelmRepositoryStatus `json:"status,omitempty"`
}

// HelmRepositoryList is a list of HelmRepositories.
//
// +kubebuilder:object:root=true
type HelmRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HelmRepository `json:"items"`
}

// IsOCI says whether the repository is a registry, which is not reconciled.
func (h *HelmRepository) IsOCI() bool { return h.Spec.Type == HelmRepositoryOCI }

// GetProvider returns the provider, generic by default.
func (h *HelmRepository) GetProvider() string {
	if h.Spec.Provider == "" {
		return OCIProviderGeneric
	}
	return h.Spec.Provider
}

// GetTimeout returns the bound of remote operations.
func (h *HelmRepository) GetTimeout() time.Duration { return timeout(h.Spec.Timeout) }

// GetArtifact implements [api.Source].
func (h *HelmRepository) GetArtifact() *api.Artifact { return h.Status.Artifact }

// The methods below implement [api.Object].

// GetConditions returns the conditions in status.
func (h *HelmRepository) GetConditions() []metav1.Condition { return h.Status.Conditions }

// SetConditions replaces the conditions in status.
func (h *HelmRepository) SetConditions(c []metav1.Condition) { h.Status.Conditions = c }

// GetObservedGeneration returns the generation that status speaks of.
func (h *HelmRepository) GetObservedGeneration() int64 { return h.Status.ObservedGeneration }

// SetObservedGeneration notes the generation that status speaks of.
func (h *HelmRepository) SetObservedGeneration(n int64) { h.Status.ObservedGeneration = n }

// GetLastHandledReconcileAt returns the last request that was acted on.
func (h *HelmRepository) GetLastHandledReconcileAt() string { return h.Status.LastHandledReconcileAt }

// SetLastHandledReconcileAt notes the last request that was acted on.
func (h *HelmRepository) SetLastHandledReconcileAt(s string) { h.Status.LastHandledReconcileAt = s }

// IsSuspended returns spec.suspend.
func (h *HelmRepository) IsSuspended() bool { return h.Spec.Suspend }

// GetRequeueAfter returns spec.interval, or its default. An interval of zero counts
// as none.
func (h *HelmRepository) GetRequeueAfter() time.Duration {
	if h.Spec.Interval == nil || h.Spec.Interval.Duration == 0 {
		return DefaultHelmInterval
	}
	return h.Spec.Interval.Duration
}

// GetRetryInterval returns 0: failures are retried with backoff.
func (h *HelmRepository) GetRetryInterval() time.Duration { return 0 }
