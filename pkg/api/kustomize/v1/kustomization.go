package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// KustomizationSpec says what to build, how to apply it, and what to check.
type KustomizationSpec struct {
	// CommonMetadata is set on every object after the build.
	// +optional
	CommonMetadata *api.CommonMetadata `json:"commonMetadata,omitempty"`

	// DependsOn lists Kustomizations that must be ready before this one is
	// applied. One that uses the same source must also have applied the same
	// revision.
	// +optional
	DependsOn []api.DependencyReference `json:"dependsOn,omitempty"`

	// Decryption says how to decrypt files and Secrets that are encrypted in the
	// source.
	// +optional
	Decryption *Decryption `json:"decryption,omitempty"`

	// Interval between two comparisons of cluster and source while nothing
	// changes, such as 10m or 1h. A few percent of jitter spread the load; 0s
	// means never. New revisions and drift are acted on at once.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +required
	Interval metav1.Duration `json:"interval"`

	// RetryInterval is how long to wait after a failure. Default: interval.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`

	// KubeConfig leads to the cluster to apply to, if it is not this one. With
	// serviceAccountName that account is impersonated there.
	// +optional
	KubeConfig *api.KubeConfigReference `json:"kubeConfig,omitempty"`

	// Path of the folder to build, from the root of the source. Default: the
	// root. A folder without kustomization.yaml gets one that lists every
	// manifest below it.
	// +optional
	Path string `json:"path,omitempty"`

	// PostBuild replaces variables in what was built.
	// +optional
	PostBuild *PostBuild `json:"postBuild,omitempty"`

	// Prune deletes objects from the cluster once they are gone from the source.
	// +required
	Prune bool `json:"prune"`

	// DeletionPolicy says what becomes of the applied objects when this
	// Kustomization is deleted. MirrorPrune, the default, deletes them if prune is
	// true and else leaves them; Delete and Orphan decide regardless of prune;
	// WaitForTermination deletes them and waits, up to timeout, until they are
	// gone. While suspended, they are always left.
	// +kubebuilder:validation:Enum=MirrorPrune;Delete;WaitForTermination;Orphan
	// +optional
	DeletionPolicy string `json:"deletionPolicy,omitempty"`

	// HealthChecks lists objects that must be healthy for this Kustomization to be
	// ready; they need not be its own. Without apiVersion, apps/v1 is meant. Has
	// no effect together with wait.
	// +optional
	HealthChecks []api.NamespacedObjectKindReference `json:"healthChecks,omitempty"`

	// NamePrefix is put before the name of every object. It overrides the field of
	// the same name in kustomization.yaml.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	NamePrefix string `json:"namePrefix,omitempty"`

	// NameSuffix is put after the name of every object. It overrides the field of
	// the same name in kustomization.yaml.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	NameSuffix string `json:"nameSuffix,omitempty"`

	// Patches change what the folder yields. They come after the patches of
	// kustomization.yaml.
	// +optional
	Patches []api.Patch `json:"patches,omitempty"`

	// Images replaces image names, tags and digests, on top of the images of
	// kustomization.yaml.
	// +optional
	Images []api.Image `json:"images,omitempty"`

	// ServiceAccountName is the ServiceAccount in this namespace that is
	// impersonated when applying and deleting. What it may not do fails.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// SourceRef names the source whose artifact holds the manifests.
	// +required
	SourceRef CrossNamespaceSourceReference `json:"sourceRef"`

	// Suspend stops applying, pruning and correcting. What runs already is
	// finished.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// TargetNamespace puts every namespaced object into this namespace, which must
	// exist or be among the objects. It overrides the namespace of
	// kustomization.yaml.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TargetNamespace string `json:"targetNamespace,omitempty"`

	// Timeout bounds health checks and the wait for objects to be gone. Default:
	// interval minus 30s. Less than 30s counts as 30s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Force deletes and recreates an object when a field has changed that the API
	// server does not let anyone change. The annotation
	// kustomize.toolkit.fluxcd.io/force: enabled does the same for one object.
	// +kubebuilder:default:=false
	// +optional
	Force bool `json:"force,omitempty"`

	// Wait makes this Kustomization ready only once every object that it applied
	// is healthy.
	// +optional
	Wait bool `json:"wait,omitempty"`

	// BuildMetadata lists the annotations that the build leaves on the objects.
	// Unless empty it replaces the list in kustomization.yaml.
	// +optional
	BuildMetadata []BuildMetadataOption `json:"buildMetadata,omitempty"`

	// Components lists folders with kustomize components to add to those of
	// kustomization.yaml, relative to path.
	// +optional
	Components []string `json:"components,omitempty"`

	// IgnoreMissingComponents skips the components whose folder does not exist,
	// instead of failing.
	// +optional
	IgnoreMissingComponents bool `json:"ignoreMissingComponents,omitempty"`

	// HealthCheckExprs tells how to judge the health of kinds for which the
	// general rules do not fit. Used by wait and healthChecks.
	// +optional
	HealthCheckExprs []api.CustomHealthCheck `json:"healthCheckExprs,omitempty"`

	// Ignore names fields that others may change without this Kustomization
	// setting them back.
	// +optional
	Ignore []api.IgnoreRule `json:"ignore,omitempty"`
}

// CrossNamespaceSourceReference names the source of a Kustomization.
type CrossNamespaceSourceReference struct {
	// APIVersion of the source. It is accepted for the reader's sake and not
	// compared.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the source. ExternalArtifact needs the feature gate of that name.
	// +kubebuilder:validation:Enum=OCIRepository;GitRepository;Bucket;ExternalArtifact
	// +required
	Kind string `json:"kind"`

	// Name of the source.
	// +required
	Name string `json:"name"`

	// Namespace of the source. Empty means the namespace of this Kustomization;
	// others can be forbidden by the flag --no-cross-namespace-refs.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// BuildMetadataOption names a kind of annotation that a build leaves behind:
// where an object came from, or what transformed it.
//
// +kubebuilder:validation:Enum=originAnnotations;transformerAnnotations
type BuildMetadataOption string

// Values of [KustomizationSpec.BuildMetadata].
const (
	BuildMetadataOrigin      BuildMetadataOption = "originAnnotations"
	BuildMetadataTransformer BuildMetadataOption = "transformerAnnotations"
)

// Decryption says how to decrypt.
type Decryption struct {
	// Provider names the tool that the files were encrypted with. There is one:
	// sops.
	// +kubebuilder:validation:Enum=sops
	// +required
	Provider string `json:"provider"`

	// ServiceAccountName is the ServiceAccount in this namespace whose cloud
	// identity is used to reach key services, in place of fluxd's own. Needs the
	// feature gate ObjectLevelWorkloadIdentity.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// SecretRef names the Secret with the keys: age keys under names ending in
	// .agekey, PGP keys under names ending in .asc, and credentials of key
	// services under names of the form sops.<service>.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`
}

// Values of [KustomizationSpec.DeletionPolicy].
const (
	DeletionPolicyMirrorPrune        = "MirrorPrune"
	DeletionPolicyDelete             = "Delete"
	DeletionPolicyWaitForTermination = "WaitForTermination"
	DeletionPolicyOrphan             = "Orphan"
)

// KustomizationStatus says what was applied last.
type KustomizationStatus struct {
	api.ReconcileStatus `json:",inline"`

	// LastAppliedRevision is the revision of the source that was last applied
	// and, where asked for, found healthy.
	// +optional
	LastAppliedRevision string `json:"lastAppliedRevision,omitempty"`

	// LastAppliedOriginRevision is the revision that the last applied artifact was
	// built from, where the artifact tells.
	// +optional
	LastAppliedOriginRevision string `json:"lastAppliedOriginRevision,omitempty"`

	// LastAttemptedRevision is the revision of the source that was last tried,
	// whatever came of it.
	// +optional
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`

	// Inventory lists what was applied. An object that is in it and no longer in
	// the source is a candidate for pruning.
	// +optional
	Inventory *api.ResourceInventory `json:"inventory,omitempty"`

	// History tells the last five distinct outcomes, newest first.
	// +optional
	History History `json:"history,omitempty"`
}

// Kustomization keeps the cluster as the manifests of a source say.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ks,categories=all;fluxcd;fluxcd-appliers
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=kustomize-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type Kustomization struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what to build, how to apply it, and what to check.
	Spec KustomizationSpec `json:"spec,omitempty"`

	// Status says what was applied last, and what hinders the next.
	// +kubebuilder:default:={"observedGeneration":-1}
	Status KustomizationStatus `json:"status,omitempty"`
}

// KustomizationList is a list of Kustomizations.
//
// +kubebuilder:object:root=true
type KustomizationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Kustomization `json:"items"`
}

// minTimeout is the shortest time that health checks get, whatever spec says.
const minTimeout = 30 * time.Second

// GetTimeout returns the bound of health checks and of waiting for deletions.
func (k *Kustomization) GetTimeout() time.Duration {
	d := k.Spec.Interval.Duration - 30*time.Second
	if k.Spec.Timeout != nil {
		d = k.Spec.Timeout.Duration
	}
	return max(d, minTimeout)
}

// GetDeletionPolicy returns the policy, MirrorPrune by default.
func (k *Kustomization) GetDeletionPolicy() string {
	if k.Spec.DeletionPolicy == "" {
		return DeletionPolicyMirrorPrune
	}
	return k.Spec.DeletionPolicy
}

// The methods below implement [api.Object].

// GetConditions returns the conditions in status.
func (k *Kustomization) GetConditions() []metav1.Condition { return k.Status.Conditions }

// SetConditions replaces the conditions in status.
func (k *Kustomization) SetConditions(c []metav1.Condition) { k.Status.Conditions = c }

// GetObservedGeneration returns the generation that status speaks of.
func (k *Kustomization) GetObservedGeneration() int64 { return k.Status.ObservedGeneration }

// SetObservedGeneration notes the generation that status speaks of.
func (k *Kustomization) SetObservedGeneration(n int64) { k.Status.ObservedGeneration = n }

// GetLastHandledReconcileAt returns the last request that was acted on.
func (k *Kustomization) GetLastHandledReconcileAt() string { return k.Status.LastHandledReconcileAt }

// SetLastHandledReconcileAt notes the last request that was acted on.
func (k *Kustomization) SetLastHandledReconcileAt(s string) { k.Status.LastHandledReconcileAt = s }

// IsSuspended returns spec.suspend.
func (k *Kustomization) IsSuspended() bool { return k.Spec.Suspend }

// GetRequeueAfter returns spec.interval.
func (k *Kustomization) GetRequeueAfter() time.Duration { return k.Spec.Interval.Duration }

// GetRetryInterval returns spec.retryInterval, or the interval.
func (k *Kustomization) GetRetryInterval() time.Duration {
	if k.Spec.RetryInterval != nil {
		return k.Spec.RetryInterval.Duration
	}
	return k.GetRequeueAfter()
}

// GetLastAppliedRevision is the revision that the cluster was last made to match.
// Those who depend on the object look at it.
func (k *Kustomization) GetLastAppliedRevision() string { return k.Status.LastAppliedRevision }
