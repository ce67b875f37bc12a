package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// Values of [BucketSpec.Provider].
const (
	BucketProviderGeneric = "generic"
	BucketProviderAWS     = "aws"
	BucketProviderGCP     = "gcp"
	BucketProviderAzure   = "azure"
)

// Values of [BucketSTSSpec.Provider].
const (
	STSProviderAWS  = "aws"
	STSProviderLDAP = "ldap"
)

// BucketSpec says which objects to fetch from an object store, and how.
//
// +kubebuilder:validation:XValidation:rule="self.provider == 'aws' || self.provider == 'generic' || !has(self.sts)", message="STS configuration is only supported for the 'aws' and 'generic' Bucket providers"
// +kubebuilder:validation:XValidation:rule="self.provider != 'aws' || !has(self.sts) || self.sts.provider == 'aws'", message="'aws' is the only supported STS provider for the 'aws' Bucket provider"
// +kubebuilder:validation:XValidation:rule="self.provider != 'generic' || !has(self.sts) || self.sts.provider == 'ldap'", message="'ldap' is the only supported STS provider for the 'generic' Bucket provider"
// +kubebuilder:validation:XValidation:rule="!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)", message="spec.sts.secretRef is not required for the 'aws' STS provider"
// +kubebuilder:validation:XValidation:rule="!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)", message="spec.sts.certSecretRef is not required for the 'aws' STS provider"
// +kubebuilder:validation:XValidation:rule="self.provider != 'generic' || !has(self.serviceAccountName)", message="ServiceAccountName is not supported for the 'generic' Bucket provider"
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || !has(self.serviceAccountName)", message="cannot set both .spec.secretRef and .spec.serviceAccountName"
type BucketSpec struct {
	// Provider of the object store: generic, the default, for anything that
	// speaks S3; aws for Amazon S3, gcp for Google Cloud Storage, azure for Azure
	// Blob Storage, where the workload's cloud identity can be used.
	// +kubebuilder:validation:Enum=generic;aws;gcp;azure
	// +kubebuilder:default:=generic
	// +optional
	Provider string `json:"provider,omitempty"`

	// BucketName is the name of the bucket, or of the container on Azure.
	// +required
	BucketName string `json:"bucketName"`

	// Endpoint of the object store: host and optionally port for S3, such as
	// s3.example.com:9000; the URL of the storage account for azure. Ignored for
	// gcp.
	// +required
	Endpoint string `json:"endpoint"`

	// STS says where to trade an identity for short-lived credentials. For aws
	// it only moves the endpoint; for generic it makes use of an LDAP login.
	// +optional
	STS *BucketSTSSpec `json:"sts,omitempty"`

	// Insecure uses plain HTTP.
	// +optional
	Insecure bool `json:"insecure,omitempty"`

	// Region of the bucket. Needed for aws with serviceAccountName, and by some
	// S3 servers.
	// +optional
	Region string `json:"region,omitempty"`

	// Prefix limits the artifact to the objects whose keys begin with it. It
	// stays part of their paths.
	// +optional
	Prefix string `json:"prefix,omitempty"`

	// SecretRef names the Secret with the credentials: accesskey and secretkey
	// for generic and aws, serviceaccount (a JSON key) for gcp, and for azure one
	// of the sets of entries that Azure knows, such as tenantId, clientId and
	// clientSecret, or accountKey, or sasKey.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`

	// ServiceAccountName is the ServiceAccount in this namespace whose cloud
	// identity is used, in place of fluxd's own. Not for generic, and not
	// together with secretRef.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// CertSecretRef names the Secret with the TLS material for the object store:
	// ca.crt to trust a private CA in addition to the public ones, tls.crt and
	// tls.key for a client certificate. All are PEM. For the provider generic,
	// and without effect when insecure.
	// +optional
	CertSecretRef *api.LocalObjectReference `json:"certSecretRef,omitempty"`

	// ProxySecretRef names the Secret with the proxy to use: address, and
	// optionally username and password.
	// +optional
	ProxySecretRef *api.LocalObjectReference `json:"proxySecretRef,omitempty"`

	// Interval between two looks at the bucket, such as 5m or 1h30m. A few
	// percent of jitter spread the load.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +required
	Interval metav1.Duration `json:"interval"`

	// Timeout for listing the bucket, and once more for downloading from it.
	// Default 60s; hours are not accepted.
	// +kubebuilder:default="60s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Ignore lists the objects to leave out of the artifact, in the language of
	// .gitignore. It comes after, and so wins over, a .sourceignore object at the
	// root of the bucket.
	// +optional
	Ignore *string `json:"ignore,omitempty"`

	// Suspend stops looking at the bucket. Consumers keep the last artifact.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// BucketSTSSpec says how to get short-lived credentials from a security token
// service.
type BucketSTSSpec struct {
	// Provider of the service: aws for a Bucket of the provider aws, ldap for one
	// of the provider generic.
	// +kubebuilder:validation:Enum=aws;ldap
	// +required
	Provider string `json:"provider"`

	// Endpoint is the URL of the service, with http or https.
	// +kubebuilder:validation:Pattern="^(http|https)://.*$"
	// +required
	Endpoint string `json:"endpoint"`

	// SecretRef names the Secret with the LDAP login: username and password. Only
	// for ldap.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`

	// CertSecretRef names the Secret with the TLS material for the service:
	// ca.crt to trust a private CA in addition to the public ones, tls.crt and
	// tls.key for a client certificate. All are PEM. Only for ldap.
	// +optional
	CertSecretRef *api.LocalObjectReference `json:"certSecretRef,omitempty"`
}

// BucketStatus says what was fetched last.
type BucketStatus struct {
	api.ReconcileStatus `json:",inline"`

	// URL under which the latest artifact can be downloaded while the artifact
	// server is switched on.
	// +optional
	URL string `json:"url,omitempty"`

	// Artifact is the content of the bucket as it was last fetched successfully.
	// +optional
	Artifact *api.Artifact `json:"artifact,omitempty"`

	// ObservedIgnore is the spec.ignore that the artifact was made with.
	// +optional
	ObservedIgnore *string `json:"observedIgnore,omitempty"`
}

// Bucket turns the objects of a bucket into an artifact.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all;fluxcd;fluxcd-sources
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=source-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type Bucket struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which objects to fetch from an object store, and how.
	Spec BucketSpec `json:"spec,omitempty"`

	// Status says what was fetched last, and what hinders the next.
	// +kubebuilder:default={"observedGeneration":-1}
	Status BucketStatus `json:"status,omitempty"`
}

// BucketList is a list of Buckets.
//
// +kubebuilder:object:root=true
type BucketList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Bucket `json:"items"`
}

// GetProvider returns the provider, generic by default.
func (b *Bucket) GetProvider() string {
	if b.Spec.Provider == "" {
		return BucketProviderGeneric
	}
	return b.Spec.Provider
}

// GetTimeout returns the bound of listing, and of downloading.
func (b *Bucket) GetTimeout() time.Duration { return timeout(b.Spec.Timeout) }

// GetArtifact implements [api.Source].
func (b *Bucket) GetArtifact() *api.Artifact { return b.Status.Artifact }

// The methods below implement [api.Object].

// GetConditions returns the conditions in status.
func (b *Bucket) GetConditions() []metav1.Condition { return b.Status.Conditions }

// SetConditions replaces the conditions in status.
func (b *Bucket) SetConditions(c []metav1.Condition) { b.Status.Conditions = c }

// GetObservedGeneration returns the generation that status speaks of.
func (b *Bucket) GetObservedGeneration() int64 { return b.Status.ObservedGeneration }

// SetObservedGeneration notes the generation that status speaks of.
func (b *Bucket) SetObservedGeneration(n int64) { b.Status.ObservedGeneration = n }

// GetLastHandledReconcileAt returns the last request that was acted on.
func (b *Bucket) GetLastHandledReconcileAt() string { return b.Status.LastHandledReconcileAt }

// SetLastHandledReconcileAt notes the last request that was acted on.
func (b *Bucket) SetLastHandledReconcileAt(s string) { b.Status.LastHandledReconcileAt = s }

// IsSuspended returns spec.suspend.
func (b *Bucket) IsSuspended() bool { return b.Spec.Suspend }

// GetRequeueAfter returns spec.interval.
func (b *Bucket) GetRequeueAfter() time.Duration { return b.Spec.Interval.Duration }

// GetRetryInterval returns 0: failures are retried with backoff.
func (b *Bucket) GetRetryInterval() time.Duration { return 0 }
