package kustomize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
)

// Config is what a [Builder] is made of.
type Config struct {
	// NoRemoteBases refuses every remote reference.
	NoRemoteBases bool
	// AllowLoopback lets remote references lead to the machine itself, as tests do.
	AllowLoopback bool
	// Repositories fetches Git repositories; nil refuses them.
	Repositories RemoteFetcher
	// Timeout bounds the load of one remote reference; 30 seconds if zero.
	Timeout time.Duration
	// MaxRemote is how many remote references one build may have; 32 if zero.
	MaxRemote int
	// Limits bound what one build reads.
	Limits Limits
}

// Builder builds folders of trees. It is safe for concurrent use; one build runs at a
// time.
type Builder struct {
	config Config
	web    *web
}

// New returns a builder. It makes no connection.
func New(c Config) *Builder {
	c.Limits = c.Limits.orDefaults()
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.MaxRemote = cmp.Or(c.MaxRemote, 32)
	return &Builder{config: c, web: newWeb(c)}
}

// NoNetwork is the transport for those who should have none. kustomize can be led to
// use [http.DefaultTransport] by a transformer that is itself the result of a build, so
// a process makes this its default transport and gives every real client one of its own.
type NoNetwork struct{}

// RoundTrip refuses.
func (NoNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("load %s: %w", r.URL.Redacted(), ErrRemoteBases)
}

// Build returns what kustomize makes of a folder of tree: objects in compact JSON, in
// the order of the build. What it looks at is noted in trace. [ErrPathNotFound] says
// that there is no such folder.
func (b *Builder) Build(ctx context.Context, tree render.Tree, trace *render.Trace, o Options) ([][]byte, error) {
	v := newView(tree, trace, b.config.Limits)
	dir := path.Join(root, o.folder())
	if !v.IsDir(dir) {
		return nil, &fs.PathError{Op: "stat", Path: o.folder(), Err: ErrPathNotFound}
	}
	t, err := generate(v, dir, o)
	if err != nil {
		return nil, err
	}
	if o.Prepare != nil {
		if err := o.Prepare(ctx, v, root, dir); err != nil {
			return nil, err
		}
	}
	if len(t.manifests) > 0 && t.plain && o.isPlain() {
		var built [][]byte
		if err := b.admit(ctx, v, o, plainWeight, func() (err error) {
			v.read = 0
			built, err = plain(ctx, v, t.manifests)
			return err
		}); err != nil {
			return nil, err
		}
		return finish(v, t, built)
	}
	g := &gate{view: v, copies: make(map[reference]string), customSchema: process.extend}
	v.gate = g.inspect
	var resources resmap.ResMap
	err = b.admit(ctx, v, o, lineWeight, func() (err error) {
		resources, err = b.run(ctx, g, t)
		return err
	})
	switch {
	case errors.Is(err, artifacts.ErrNoHeadroom):
		return nil, err
	case err != nil:
		return nil, explain(ctx, v, t, err)
	}
	if err := b.check(ctx, g, dir, o, resources); err != nil {
		return nil, err
	}
	built, err := documents(resources.Resources())
	if err != nil {
		return nil, err
	}
	return finish(v, t, built)
}

// finish returns what was built, which must be something if there are manifests.
func finish(v *view, t target, built [][]byte) ([][]byte, error) {
	if len(built) == 0 {
		v.read = 0
		if err := refuseBlank(v, t.manifests); err != nil {
			return nil, err
		}
	}
	return built, nil
}

// run builds until nothing has to be fetched any more. Each round follows the
// references one level further.
func (b *Builder) run(ctx context.Context, g *gate, t target) (resmap.ResMap, error) {
	for {
		g.view.read, g.view.weight, g.view.refused = 0, 0, nil
		resources, err := locked(ctx, g.view, t)
		switch {
		case g.view.heavier:
			return nil, errHeavier
		case len(g.pending) > 0:
		case err != nil && g.view.refused != nil:
			return nil, g.view.refused
		default:
			return resources, err
		}
		if err := b.fetch(ctx, g); err != nil {
			return nil, err
		}
	}
}

// locked runs kustomize while nobody else does.
func locked(ctx context.Context, v *view, t target) (resources resmap.ResMap, err error) {
	options := &krusty.Options{
		Reorder:          krusty.ReorderOptionNone,
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}
	if t.sorted {
		options.Reorder = krusty.ReorderOptionUnspecified // or kustomize prints a warning
	}
	err = process.do(ctx, func() error {
		resources, err = krusty.MakeKustomizer(options).Run(v, t.dir)
		return err
	})
	return resources, err
}

// explain finds the manifest at fault where kustomize was given a generated file: its
// own error would name the step. What kustomize can parse is no fault.
func explain(ctx context.Context, v *view, t target, err error) error {
	var why error
	if e := process.do(ctx, func() error {
		why = diagnose(v, t.manifests, provider.NewDefaultDepProvider().GetResourceFactory())
		return nil
	}); e == nil && why != nil {
		return why
	}
	return fmt.Errorf("kustomize build failed: %w", steadyError{err})
}

// documents encodes what was built. Errors never quote an object.
func documents(resources []*resource.Resource) ([][]byte, error) {
	out := make([][]byte, 0, len(resources))
	for _, r := range resources {
		document, err := r.MarshalJSON()
		if err != nil {
			return nil, errors.New("encode an object as JSON")
		}
		out = append(out, document)
	}
	return out, nil
}
