package helm

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// Identity is what a chart says that it is.
type Identity struct{ Name, Version, AppVersion string }

// Chart is a chart with its subcharts. It never changes and may be used from many
// goroutines.
type Chart struct {
	stored *Stored
	id     Identity
	cost   int64
}

// Identity returns the name and versions of the chart.
func (c *Chart) Identity() Identity { return c.id }

// ChartOptions are those of [Charts]. A zero field means its default.
type ChartOptions struct {
	// Budget is how many bytes of charts stay loaded without being in use; 32 MiB.
	Budget int64
	// Idle is how long a chart stays that nobody asks for; 2 minutes.
	Idle time.Duration
	// Limits bound one chart.
	Limits helm.Limits
}

// Charts loads charts and has each only once. It is safe for concurrent use.
type Charts struct {
	options ChartOptions
}

// NewCharts returns an empty one.
func NewCharts(o ChartOptions) *Charts { return &Charts{options: o} }

// Load returns the chart of an artifact. Digest is that of the artifact, for which
// [Charts] vouches that it is loaded once; tree is read only if it has to be. A tree is
// one packaged chart, or the files of one in a folder or without. Memory is charged with
// what is loaded; nil is without bounds. Errors wrap [ErrChart].
func (c *Charts) Load(ctx context.Context, digest string, tree fs.FS, memory *artifacts.Share) (*Chart, error) {
	return nil, errors.ErrUnsupported
}

// Identity returns what the chart of an artifact says that it is. The answer for a
// digest is remembered, long after the chart itself is not.
func (c *Charts) Identity(ctx context.Context, digest string, tree fs.FS, memory *artifacts.Share) (Identity, error) {
	return Identity{}, errors.ErrUnsupported
}

// Renderer renders charts. It is safe for concurrent use.
type Renderer struct {
	kustomize *kustomize.Builder
}

// NewRenderer returns a renderer whose post-renderers build with k.
func NewRenderer(k *kustomize.Builder) *Renderer { return &Renderer{kustomize: k} }

// CRD is an object in one of the crds folders of a chart.
type CRD struct {
	// File is where it comes from, as in web/charts/db/crds/a.yaml.
	File string
	// Object is the decoded object, which the caller owns. Labels of the owner are
	// set, unless it is Foreign.
	Object map[string]any
	// Foreign says that it is no CustomResourceDefinition: it is listed in the
	// inventory, not applied.
	Foreign bool
}

// CRDs yields the objects in the crds folders of the chart and of those of its
// subcharts that the values enable, one after the other: no two of them need to be in
// memory at once. It ends with the first error.
func CRDs(in Input) iter.Seq2[CRD, error] {
	return func(yield func(CRD, error) bool) { yield(CRD{}, errors.ErrUnsupported) }
}
