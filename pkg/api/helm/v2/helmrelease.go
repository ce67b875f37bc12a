package v2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// HelmReleaseSpec says which chart to release, with which values, and what to do
// when that fails.
//
// +kubebuilder:validation:XValidation:rule="(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))", message="either chart or chartRef must be set"
type HelmReleaseSpec struct {
	// Chart describes a HelmChart that is made for this release and deleted with
	// it. Either this or chartRef must be set.
	// +optional
	Chart *HelmChartTemplate `json:"chart,omitempty"`

	// ChartRef names an existing source whose artifact is a chart. Either this or
	// chart must be set.
	// +optional
	ChartRef *CrossNamespaceSourceReference `json:"chartRef,omitempty"`

	// Interval between two comparisons of the release with chart and values while
	// nothing changes, such as 10m or 1h. A few percent of jitter spread the
	// load. It is also the interval of the HelmChart that chart describes, unless
	// that has its own.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +required
	Interval metav1.Duration `json:"interval"`

	// KubeConfig leads to the cluster to release to, if it is not this one. The
	// records of the release are kept there too; values and dependencies come from
	// here.
	// +optional
	KubeConfig *api.KubeConfigReference `json:"kubeConfig,omitempty"`

	// Suspend stops installing, upgrading and correcting. What runs already is
	// finished. Deleting a suspended HelmRelease leaves the release installed.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// ReleaseName is the name of the release. Default: the name of this object,
	// with targetNamespace and a dash before it if that is set. A default that is
	// too long is shortened and gets a hash at its end.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=53
	// +optional
	ReleaseName string `json:"releaseName,omitempty"`

	// TargetNamespace is the namespace to release into. Default: the namespace of
	// this object. Changing it uninstalls and installs anew.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TargetNamespace string `json:"targetNamespace,omitempty"`

	// StorageNamespace is the namespace of the Secrets in which the records of
	// the release are kept. Default: the namespace of this object. Changing it
	// uninstalls and installs anew.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	StorageNamespace string `json:"storageNamespace,omitempty"`

	// DependsOn lists HelmReleases that must be ready before this one is
	// installed or upgraded.
	// +optional
	DependsOn []api.DependencyReference `json:"dependsOn,omitempty"`

	// Timeout for each wait within an action, such as one hook or the readiness of
	// all objects; actions may set their own. Default 5m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// MaxHistory is how many revisions of the release Helm keeps. Default 5; 0
	// keeps all.
	// +optional
	MaxHistory *int `json:"maxHistory,omitempty"`

	// ServiceAccountName is the ServiceAccount in this namespace that is
	// impersonated for everything that the release does, its records included.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// PersistentClient keeps what was learned about the cluster's API for the
	// length of a reconcile. Default true. Set it to false for charts that make
	// kinds of their own known in one hook and use them in the next.
	// +optional
	PersistentClient *bool `json:"persistentClient,omitempty"`

	// DriftDetection compares the cluster with the release, and says what to do
	// about differences.
	// +optional
	DriftDetection *DriftDetection `json:"driftDetection,omitempty"`

	// Install says how to install, and what to do when that fails.
	// +optional
	Install *Install `json:"install,omitempty"`

	// Upgrade says how to upgrade, and what to do when that fails.
	// +optional
	Upgrade *Upgrade `json:"upgrade,omitempty"`

	// Test says whether and how to run the tests of the chart.
	// +optional
	Test *Test `json:"test,omitempty"`

	// Rollback says how to roll back.
	// +optional
	Rollback *Rollback `json:"rollback,omitempty"`

	// Uninstall says how to uninstall.
	// +optional
	Uninstall *Uninstall `json:"uninstall,omitempty"`

	// ValuesFrom lists ConfigMaps and Secrets in this namespace that hold values.
	// Later ones win over earlier ones.
	// +optional
	ValuesFrom []ValuesReference `json:"valuesFrom,omitempty"`

	// Values for the chart. They are merged over those of valuesFrom, except
	// that entries there with a targetPath win.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Values *api.JSON `json:"values,omitempty"`

	// CommonMetadata is set on every object of the release, after the
	// postRenderers.
	// +optional
	CommonMetadata *api.CommonMetadata `json:"commonMetadata,omitempty"`

	// PostRenderers change what the chart yields, one after the other.
	// +optional
	PostRenderers []PostRenderer `json:"postRenderers,omitempty"`

	// PostRenderStrategy says what the post-renderers see: combined, the default,
	// hooks and other objects together; separate, the two one after the other;
	// nohooks, everything but hooks.
	// +kubebuilder:validation:Enum=nohooks;combined;separate
	// +optional
	PostRenderStrategy PostRenderStrategy `json:"postRenderStrategy,omitempty"`

	// WaitStrategy says how to find out whether the objects of the release are
	// ready.
	// +optional
	WaitStrategy *WaitStrategy `json:"waitStrategy,omitempty"`

	// HealthCheckExprs tells how to judge the health of kinds for which the
	// general rules do not fit. Used only by actions that wait, with the strategy
	// poller.
	// +optional
	HealthCheckExprs []api.CustomHealthCheck `json:"healthCheckExprs,omitempty"`
}

// HelmReleaseStatus says what was released last.
type HelmReleaseStatus struct {
	api.ReconcileStatus `json:",inline"`

	// ObservedPostRenderersDigest is the digest of the spec.postRenderers that
	// were last acted on.
	// +optional
	ObservedPostRenderersDigest string `json:"observedPostRenderersDigest,omitempty"`

	// ObservedCommonMetadataDigest is the digest of the spec.commonMetadata that
	// was last acted on.
	// +optional
	ObservedCommonMetadataDigest string `json:"observedCommonMetadataDigest,omitempty"`

	// LastAttemptedGeneration is the metadata.generation that was last tried,
	// whatever came of it.
	// +optional
	LastAttemptedGeneration int64 `json:"lastAttemptedGeneration,omitempty"`

	// HelmChart is the HelmChart that was made for this release, as
	// <namespace>/<name>. Empty with chartRef.
	// +optional
	HelmChart string `json:"helmChart,omitempty"`

	// StorageNamespace is the namespace in which the records of the present
	// release are kept. Empty while nothing is installed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	StorageNamespace string `json:"storageNamespace,omitempty"`

	// History lists the revisions of the release that still matter, newest first:
	// the latest, and the one that a rollback would go to.
	// +optional
	History Snapshots `json:"history,omitempty"`

	// Inventory lists the objects of the release, without hooks.
	// +optional
	Inventory *api.ResourceInventory `json:"inventory,omitempty"`

	// LastAttemptedReleaseAction is the last install or upgrade that was tried. It
	// decides which of the two says what to do after a failure.
	// +kubebuilder:validation:Enum=install;upgrade
	// +optional
	LastAttemptedReleaseAction ReleaseAction `json:"lastAttemptedReleaseAction,omitempty"`

	// LastAttemptedReleaseActionDuration is how long that action took.
	// +kubebuilder:validation:Type=string
	// +optional
	LastAttemptedReleaseActionDuration *metav1.Duration `json:"lastAttemptedReleaseActionDuration,omitempty"`

	// Failures counts the actions of any kind that failed since chart, values or
	// spec last changed.
	// +optional
	Failures int64 `json:"failures,omitempty"`

	// InstallFailures counts the failed installs since chart, values or spec last
	// changed. It is held against spec.install.remediation.retries.
	// +optional
	InstallFailures int64 `json:"installFailures,omitempty"`

	// UpgradeFailures counts the failed upgrades since chart, values or spec last
	// changed. It is held against spec.upgrade.remediation.retries.
	// +optional
	UpgradeFailures int64 `json:"upgradeFailures,omitempty"`

	// LastAttemptedRevision is the version of the chart that was last tried,
	// whatever came of it.
	// +optional
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`

	// LastAttemptedRevisionDigest is the digest of the chart that was last tried.
	// Only for charts from an OCIRepository, or from an ExternalArtifact whose
	// revision holds a digest.
	// +optional
	LastAttemptedRevisionDigest string `json:"lastAttemptedRevisionDigest,omitempty"`

	// LastAttemptedValuesChecksum is no longer written. It was the SHA-1 checksum
	// of the values; see lastAttemptedConfigDigest.
	// +optional
	LastAttemptedValuesChecksum string `json:"lastAttemptedValuesChecksum,omitempty"`

	// LastReleaseRevision is no longer written. It was the number of the latest
	// revision; see history.
	// +optional
	LastReleaseRevision int `json:"lastReleaseRevision,omitempty"`

	// LastAttemptedConfigDigest is the digest of the values that were last tried.
	// +optional
	LastAttemptedConfigDigest string `json:"lastAttemptedConfigDigest,omitempty"`

	// LastHandledResetAt repeats the value of the annotation
	// reconcile.fluxcd.io/resetAt that was seen last.
	// +optional
	LastHandledResetAt string `json:"lastHandledResetAt,omitempty"`

	// LastHandledForceAt repeats the value of the annotation
	// reconcile.fluxcd.io/forceAt that was seen last.
	// +optional
	LastHandledForceAt string `json:"lastHandledForceAt,omitempty"`
}

// HelmRelease keeps a Helm release as a chart and its values say.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hr,categories=all;fluxcd;fluxcd-appliers
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=helm-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type HelmRelease struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which chart to release, with which values, and what to do when
	// that fails.
	Spec HelmReleaseSpec `json:"spec,omitempty"`

	// Status says what was released last, and what hinders the next.
	// +kubebuilder:default:={"observedGeneration":-1}
	Status HelmReleaseStatus `json:"status,omitempty"`
}

// HelmReleaseList is a list of HelmReleases.
//
// +kubebuilder:object:root=true
type HelmReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HelmRelease `json:"items"`
}
