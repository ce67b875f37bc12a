package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// OCIScheme opens the URL of every OCI repository.
const OCIScheme = "oci://"

// Values of [OCIRepositorySpec.Provider] and [HelmRepositorySpec.Provider].
const (
	OCIProviderGeneric = "generic"
	OCIProviderAWS     = "aws"
	OCIProviderAzure   = "azure"
	OCIProviderGCP     = "gcp"
)

// Values of [OCILayerSelector.Operation].
const (
	OCILayerExtract = "extract"
	OCILayerCopy    = "copy"
)

// OCIRepositorySpec says which artifact to fetch from a registry, and how.
type OCIRepositorySpec struct {
	// URL of the repository in the registry, such as
	// oci://registry.example.com/team/manifests. Tag and digest belong in ref.
	// +kubebuilder:validation:Pattern="^oci://.*$"
	// +required
	URL string `json:"url"`

	// Reference selects the artifact. Left out, it is the tag latest.
	// +optional
	Reference *OCIRepositoryRef `json:"ref,omitempty"`

	// LayerSelector picks the layer to use and what to do with it. Left out, the
	// first layer is unpacked.
	// +optional
	LayerSelector *OCILayerSelector `json:"layerSelector,omitempty"`

	// Provider decides how to log in when no pull secret is given: generic, the
	// default, anonymously; aws, azure and gcp with a token for the workload's
	// cloud identity.
	// +kubebuilder:validation:Enum=generic;aws;azure;gcp
	// +kubebuilder:default:=generic
	// +optional
	Provider string `json:"provider,omitempty"`

	// SecretRef names a pull Secret, of the type kubernetes.io/dockerconfigjson.
	// It is used together with the pull secrets of serviceAccountName.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`

	// Verify asks for a valid signature before anything is published. While it
	// fails, consumers keep what they have.
	// +optional
	Verify *OCIRepositoryVerification `json:"verify,omitempty"`

	// ServiceAccountName is a ServiceAccount in this namespace whose pull secrets
	// are used and, unless the provider is generic, whose cloud identity.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// CertSecretRef names the Secret with the TLS material for the registry:
	// ca.crt to trust a private CA in addition to the public ones, tls.crt and
	// tls.key for a client certificate. All are PEM.
	// +optional
	CertSecretRef *api.LocalObjectReference `json:"certSecretRef,omitempty"`

	// ProxySecretRef names the Secret with the proxy to use: address, and
	// optionally username and password.
	// +optional
	ProxySecretRef *api.LocalObjectReference `json:"proxySecretRef,omitempty"`

	// Interval between two looks at the registry, such as 5m or 1h30m. A few
	// percent of jitter spread the load.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +required
	Interval metav1.Duration `json:"interval"`

	// Timeout for remote operations. Default 60s; hours are not accepted.
	// +kubebuilder:default="60s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Ignore lists what to leave out of the unpacked layer, in the language of
	// .gitignore. It comes after, and so wins over, the .sourceignore files
	// within. Any pattern here or there switches off most of the built-in list.
	// A layer that is copied stays whole.
	// +optional
	Ignore *string `json:"ignore,omitempty"`

	// Insecure allows plain HTTP, and without certSecretRef also accepts any TLS
	// certificate.
	// +optional
	Insecure bool `json:"insecure,omitempty"`

	// Suspend stops looking at the registry. Consumers keep the last artifact.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// OCIRepositoryRef selects an artifact. Where several fields are set, digest comes
// first, then semver and tag.
type OCIRepositoryRef struct {
	// Digest of the manifest, as sha256:<hex>.
	// +optional
	Digest string `json:"digest,omitempty"`

	// SemVer is a range such as >=1.2.0 <2.0.0; the highest tag within it is
	// followed. Pre-releases only count when the range names one.
	// +optional
	SemVer string `json:"semver,omitempty"`

	// SemverFilter is a regular expression that tags must match before the range
	// is looked at. Has no effect without semver.
	// +optional
	SemverFilter string `json:"semverFilter,omitempty"`

	// Tag to follow. Default latest.
	// +optional
	Tag string `json:"tag,omitempty"`
}

// OCILayerSelector picks a layer.
type OCILayerSelector struct {
	// MediaType of the layer; the first that has it is used. Left out, it is the
	// first layer of all.
	// +optional
	MediaType string `json:"mediaType,omitempty"`

	// Operation is what to do with the layer: extract, the default, unpacks the
	// compressed archive; copy keeps it byte for byte, as Helm charts need it.
	// +kubebuilder:validation:Enum=extract;copy
	// +optional
	Operation string `json:"operation,omitempty"`
}

// OCIRepositoryStatus says what was fetched last.
type OCIRepositoryStatus struct {
	api.ReconcileStatus `json:",inline"`

	// URL under which the latest artifact can be downloaded while the artifact
	// server is switched on.
	// +optional
	URL string `json:"url,omitempty"`

	// Artifact is the content that was last fetched successfully.
	// +optional
	Artifact *api.Artifact `json:"artifact,omitempty"`

	// ObservedIgnore is the spec.ignore that the artifact was made with.
	// +optional
	ObservedIgnore *string `json:"observedIgnore,omitempty"`

	// ObservedLayerSelector is the spec.layerSelector that the artifact was made
	// with.
	// +optional
	ObservedLayerSelector *OCILayerSelector `json:"observedLayerSelector,omitempty"`
}

// OCIRepository turns a layer in an OCI registry into an artifact.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ocirepo,categories=all;fluxcd;fluxcd-sources
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=source-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type OCIRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which artifact to fetch from a registry, and how.
	Spec OCIRepositorySpec `json:"spec,omitempty"`

	// Status says what was fetched last, and what hinders the next.
	// +kubebuilder:default={"observedGeneration":-1}
	Status OCIRepositoryStatus `json:"status,omitempty"`
}

// OCIRepositoryList is a list of OCIRepositories.
//
// +kubebuilder:object:root=true
type OCIRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIRepository `json:"items"`
}

// GetProvider returns the provider, generic by default.
func (o *OCIRepository) GetProvider() string {
	if o.Spec.Provider == "" {
		return OCIProviderGeneric
	}
	return o.Spec.Provider
}

// GetTimeout returns the bound of remote operations.
func (o *OCIRepository) GetTimeout() time.Duration { return timeout(o.Spec.Timeout) }

// GetLayerMediaType returns the media type of the wanted layer, or "" for the
// first layer.
func (o *OCIRepository) GetLayerMediaType() string {
	if o.Spec.LayerSelector == nil {
		return ""
	}
	return o.Spec.LayerSelector.MediaType
}

// GetLayerOperation returns what to do with the layer, extract by default.
func (o *OCIRepository) GetLayerOperation() string {
	if o.Spec.LayerSelector == nil || o.Spec.LayerSelector.Operation == "" {
		return OCILayerExtract
	}
	return o.Spec.LayerSelector.Operation
}

// GetArtifact implements [api.Source].
func (o *OCIRepository) GetArtifact() *api.Artifact { return o.Status.Artifact }

// The methods below implement [api.Object].

// GetConditions returns the conditions in status.
func (o *OCIRepository) GetConditions() []metav1.Condition { return o.Status.Conditions }

// SetConditions replaces the conditions in status.
func (o *OCIRepository) SetConditions(c []metav1.Condition) { o.Status.Conditions = c }

// GetObservedGeneration returns the generation that status speaks of.
func (o *OCIRepository) GetObservedGeneration() int64 { return o.Status.ObservedGeneration }

// SetObservedGeneration notes the generation that status speaks of.
func (o *OCIRepository) SetObservedGeneration(n int64) { o.Status.ObservedGeneration = n }

// GetLastHandledReconcileAt returns the last request that was acted on.
func (o *OCIRepository) GetLastHandledReconcileAt() string { return o.Status.LastHandledReconcileAt }

// SetLastHandledReconcileAt notes the last request that was acted on.
func (o *OCIRepository) SetLastHandledReconcileAt(s string) { o.Status.LastHandledReconcileAt = s }

// IsSuspended returns spec.suspend.
func (o *OCIRepository) IsSuspended() bool { return o.Spec.Suspend }

// GetRequeueAfter returns spec.interval.
func (o *OCIRepository) GetRequeueAfter() time.Duration { return o.Spec.Interval.Duration }

// GetRetryInterval returns 0: failures are retried with backoff.
func (o *OCIRepository) GetRetryInterval() time.Duration { return 0 }
