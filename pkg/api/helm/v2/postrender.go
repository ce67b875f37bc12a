package v2

import "github.com/fluxd/fluxd/pkg/api"

// PostRenderStrategy says what the post-renderers see.
type PostRenderStrategy string

// Values of [HelmReleaseSpec.PostRenderStrategy].
const (
	PostRenderNoHooks  PostRenderStrategy = "nohooks"
	PostRenderCombined PostRenderStrategy = "combined"
	PostRenderSeparate PostRenderStrategy = "separate"
)

// PostRenderer changes what a chart yields. One without a tool changes nothing.
type PostRenderer struct {
	// Kustomize changes the objects by the means of kustomize.
	// +optional
	Kustomize *Kustomize `json:"kustomize,omitempty"`
}

// Kustomize lists what kustomize changes. Its JSON form is digested; the order of
// the fields matters.
type Kustomize struct {
	// Patches are strategic merge or JSON 6902 patches, applied in this order.
	// +optional
	Patches []api.Patch `json:"patches,omitempty"`

	// Images replaces image names, tags and digests.
	// +optional
	Images []api.Image `json:"images,omitempty"`
}
