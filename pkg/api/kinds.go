package api

import "k8s.io/apimachinery/pkg/runtime/schema"

// The API groups.
const (
	SourceGroup    = "source.toolkit.fluxcd.io"
	KustomizeGroup = "kustomize.toolkit.fluxcd.io"
	HelmGroup      = "helm.toolkit.fluxcd.io"
)

// The kinds, as they are written in manifests.
const (
	GitRepositoryKind    = "GitRepository"
	OCIRepositoryKind    = "OCIRepository"
	HelmRepositoryKind   = "HelmRepository"
	HelmChartKind        = "HelmChart"
	BucketKind           = "Bucket"
	ExternalArtifactKind = "ExternalArtifact"
	KustomizationKind    = "Kustomization"
	HelmReleaseKind      = "HelmRelease"
)

// The versions that are served and stored. Older ones are not decoded.
var (
	SourceV1    = schema.GroupVersion{Group: SourceGroup, Version: "v1"}
	KustomizeV1 = schema.GroupVersion{Group: KustomizeGroup, Version: "v1"}
	HelmV2      = schema.GroupVersion{Group: HelmGroup, Version: "v2"}
)

// The kinds with their group and version.
var (
	GitRepositoryGVK    = SourceV1.WithKind(GitRepositoryKind)
	OCIRepositoryGVK    = SourceV1.WithKind(OCIRepositoryKind)
	HelmRepositoryGVK   = SourceV1.WithKind(HelmRepositoryKind)
	HelmChartGVK        = SourceV1.WithKind(HelmChartKind)
	BucketGVK           = SourceV1.WithKind(BucketKind)
	ExternalArtifactGVK = SourceV1.WithKind(ExternalArtifactKind)
	KustomizationGVK    = KustomizeV1.WithKind(KustomizationKind)
	HelmReleaseGVK      = HelmV2.WithKind(HelmReleaseKind)
)

// The resources: the plural names that requests and discovery use.
var (
	GitRepositoryGVR    = SourceV1.WithResource("gitrepositories")
	OCIRepositoryGVR    = SourceV1.WithResource("ocirepositories")
	HelmRepositoryGVR   = SourceV1.WithResource("helmrepositories")
	HelmChartGVR        = SourceV1.WithResource("helmcharts")
	BucketGVR           = SourceV1.WithResource("buckets")
	ExternalArtifactGVR = SourceV1.WithResource("externalartifacts")
	KustomizationGVR    = KustomizeV1.WithResource("kustomizations")
	HelmReleaseGVR      = HelmV2.WithResource("helmreleases")
)

// Resource pairs a kind with the name of its resource.
//
// +kubebuilder:object:generate=false
type Resource struct {
	Kind schema.GroupVersionKind
	Name schema.GroupVersionResource
}

// Resources returns every kind of this tree, sources first, in the order in which
// data flows. The caller owns the slice.
func Resources() []Resource {
	return []Resource{
		{GitRepositoryGVK, GitRepositoryGVR},
		{OCIRepositoryGVK, OCIRepositoryGVR},
		{HelmRepositoryGVK, HelmRepositoryGVR},
		{HelmChartGVK, HelmChartGVR},
		{BucketGVK, BucketGVR},
		{ExternalArtifactGVK, ExternalArtifactGVR},
		{KustomizationGVK, KustomizationGVR},
		{HelmReleaseGVK, HelmReleaseGVR},
	}
}
