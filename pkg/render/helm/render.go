package helm

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// The forms in which a release is stored. The kind need not import Helm for them.
type (
	// Stored is a chart as a release holds it.
	Stored = chart.Chart
	// File is a file of a chart.
	File = chart.File
	// Metadata is what a chart says of itself.
	Metadata = chart.Metadata
	// Hook is an object that is applied around an action.
	Hook = release.Hook
)

// Input is everything that decides what a chart yields. Nothing of it is changed.
type Input struct {
	// Chart as [Charts.Load] returned it.
	Chart *Chart
	// Version replaces that of the chart unless empty, see [MutateVersion].
	Version string
	// Values are those of the user, from [Compose].
	Values map[string]any
	// PreviousChart and PreviousValues are those that the release has so far, if it
	// is to keep its values: what they came to are the default values then, instead
	// of those of the chart, and the values of the user go over the previous ones.
	PreviousChart  *Stored
	PreviousValues map[string]any

	// Name, Namespace and Revision are those of the release. Upgrade says that it
	// is not installed for the first time.
	Name, Namespace string
	Revision        int
	Upgrade         bool

	// Capabilities are those of the target cluster.
	Capabilities Capabilities
	// Lookup answers the function lookup of templates. Nil answers that there is
	// nothing, which is what helm template does.
	Lookup Lookup
	// AllowDNS lets templates look up hosts.
	AllowDNS bool
	// SkipSchema leaves values unchecked.
	SkipSchema bool

	// PostRender changes what the templates yield.
	PostRender PostRender
	// Limits bound it all.
	Limits Limits
	// Memory is charged with what a render takes for its time, as far as the size of
	// the chart tells. The caller leaves it; nil is without bounds.
	Memory *artifacts.Share
}

// Capabilities are what templates get to know of a cluster.
type Capabilities struct {
	// KubeVersion is the version that the server tells, such as v1.37.2+k3s1.
	KubeVersion string
	// Major and Minor are those that the server tells; from KubeVersion if empty.
	Major, Minor string
	// APIVersions are all group versions, v1 and apps/v1, and each with each of its
	// kinds, apps/v1/Deployment.
	APIVersions []string
}

// Lookup returns an object of the cluster, or without a name the list of them. What
// does not exist is an empty map; a kind that is not known is an error.
type Lookup func(ctx context.Context, apiVersion, kind, namespace, name string) (map[string]any, error)

// PostRender says how manifests are changed after the templates. Without an owner and
// anything else they stay as they are, in their own words.
type PostRender struct {
	// Strategy says which manifests; empty is combined.
	Strategy v2.PostRenderStrategy
	// Renderers run one after the other.
	Renderers []v2.PostRenderer
	// Common is put on every object then.
	Common *api.CommonMetadata
	// OwnerNamespace and OwnerName are those of the HelmRelease, which every object
	// carries as labels, whatever Common says. Without a name there are no labels.
	OwnerNamespace, OwnerName string
}

// Limits bound one render. A zero field means its default.
type Limits struct {
	// Output is how many bytes one template may yield, and all of them, and one
	// value that a function makes; 32 MiB.
	Output int64
	// Written is how many bytes may be written in all, also such as are used only to
	// make others of; 256 MiB.
	Written int64
	// Steps is how many rounds of loops and calls of functions there may be;
	// 5 million.
	Steps int64
	// Depth is how deep templates may call each other; 1500.
	Depth int
	// Nodes is how many parts a value may have that is encoded or copied; 2 million.
	Nodes int
	// Time is how long the templates may run; a minute.
	Time time.Duration
}

func (l Limits) orDefaults() Limits {
	return Limits{
		Output: cmp.Or(l.Output, 32<<20), Written: cmp.Or(l.Written, 256<<20), Steps: cmp.Or(l.Steps, 5_000_000),
		Depth: cmp.Or(l.Depth, 1500), Nodes: cmp.Or(l.Nodes, 2_000_000), Time: cmp.Or(l.Time, time.Minute),
	}
}

// Output is what a chart yields.
type Output struct {
	// Manifest is a stream of YAML documents in the order in which they are to be
	// applied, each with the template that it comes from in a comment.
	Manifest string
	// Hooks are in the order of their kinds, without having run.
	Hooks []*Hook
	// Notes is what the chart tells people.
	Notes string
	// Chart is what the release is to hold: the chart with its version as asked for,
	// its dependencies decided and its imported values. It shares the files of the
	// input and must not be changed.
	Chart *Stored
	// Values are what the release is to hold as its configuration: those of the
	// input, over the previous ones if those are kept.
	Values map[string]any
	// Warnings are what is odd about the chart or the values, for people.
	Warnings []string
}

// Renderer renders charts. It is safe for concurrent use.
type Renderer struct {
	kustomize *kustomize.Builder
}

// NewRenderer returns a renderer whose post-renderers build with k.
func NewRenderer(k *kustomize.Builder) *Renderer { return &Renderer{kustomize: k} }

// memoryFactor is how many times the size of its chart the memory is that a render takes
// at its peak, for charts of common kinds.
const memoryFactor = 4

// Render renders a chart. It blocks for as long as templates run, which is until ctx
// ends or a limit is reached at the latest; one function of a template that has begun is
// waited for, such as the making of a key.
func (r *Renderer) Render(ctx context.Context, in Input) (Output, error) {
	if err := in.Memory.Grow(ctx, memoryFactor*in.Chart.cost); err != nil {
		return Output{}, fmt.Errorf("render the chart %s: %w", in.Chart.id.Name, err)
	}
	u, m, err := prepare(&in)
	if err != nil {
		return Output{}, err
	}
	kube := in.Capabilities.view().KubeVersion
	if wanted := u.meta.KubeVersion; wanted != "" && !fits(wanted, kube.String()) {
		return Output{}, fmt.Errorf("%w: chart requires kubeVersion: %s which is incompatible with Kubernetes %s", ErrChart, wanted, kube.Version)
	}
	values, err := m.coalesce(u, in.Values)
	if err != nil {
		return Output{}, err
	}
	if !in.SkipSchema {
		if err := validate(ctx, u, values, in.Limits); err != nil {
			return Output{}, err
		}
	}
	files, err := run(ctx, &in, u, values)
	if err != nil {
		return Output{}, err
	}
	out := Output{Notes: takeNotes(u, files), Chart: u.stored(), Values: in.Values}
	if files, err = r.postRender(ctx, &in.PostRender, files, in.Limits); err != nil {
		return Output{}, err
	}
	s, err := split(files, m.warn)
	if err != nil {
		return Output{}, err
	}
	out.Hooks, out.Manifest, out.Warnings = s.hooks, s.stream(), m.warnings
	return out, nil
}

// prepare returns the view of the chart that the values decide.
func prepare(in *Input) (*unit, *merger, error) {
	u, m := newUnit(in.Chart.stored, nil), &merger{}
	if in.Version != "" {
		u.meta.Version = in.Version
	}
	if in.PreviousChart != nil {
		if err := m.preserve(in, u); err != nil {
			return nil, nil, err
		}
	}
	if err := m.decide(u, in.Values, ""); err != nil {
		return nil, nil, err
	}
	return u, m, m.imports(u)
}

// preserve has a release keep its values.
func (m *merger) preserve(in *Input, u *unit) error {
	defaults, err := m.coalesce(newUnit(in.PreviousChart, nil), in.PreviousValues)
	if err != nil {
		return fmt.Errorf("previous values: %w", err)
	}
	u.values, in.Values = defaults, copyMap(in.Values)
	m.tables(in.Values, copyMap(in.PreviousValues), "", false)
	return nil
}

// takeNotes removes the notes of all charts and returns those of u.
func takeNotes(u *unit, files rendered) string {
	notes := files[path.Join(u.name(), "templates", "NOTES.txt")]
	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}
	return notes
}
