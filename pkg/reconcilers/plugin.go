package reconcilers

import (
	"context"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/forecast"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Plugin is a [Reconciler] with its type erased: what the engine holds.
type Plugin struct {
	kind       schema.GroupVersionKind
	references func(api.Object) []Ref
	reconcile  func(context.Context, api.Object) (Result, error)
	finalize   func(context.Context, api.Object) error
	preview    func(context.Context, api.Object, Question) (forecast.Owner, error) // nil if the kind has none
	options    Options
}

// Options says how the engine is to treat the objects of a kind.
type Options struct {
	// Workers is how many objects of the kind run at once; zero means 4.
	Workers int
	// Finalizer keeps a deleted object until Finalize returned nil. A kind
	// without it is finalized after it is gone, and at no cost in requests.
	Finalizer bool
	// Controller is the name under which people know the origin of events,
	// for example kustomize-controller.
	Controller string
	// Manager is the field manager of status and finalizer writes.
	Manager string
	// AsksServerOnly says that the kind asks nobody but API servers, so that an error of
	// the network is one of the way there.
	AsksServerOnly bool
	// FailureReason is the Ready reason of an error that was not classified.
	FailureReason string
}

// For binds r to its kind. It holds the only type assertion on the path.
func For[T api.Object](kind schema.GroupVersionKind, r Reconciler[T], o Options) Plugin {
	if o.Workers == 0 {
		o.Workers = 4
	}
	p := Plugin{
		kind:       kind,
		options:    o,
		references: func(obj api.Object) []Ref { return r.References(obj.(T)) },
		reconcile: func(ctx context.Context, obj api.Object) (Result, error) {
			return r.Reconcile(ctx, obj.(T))
		},
		finalize: func(ctx context.Context, obj api.Object) error { return r.Finalize(ctx, obj.(T)) },
	}
	if v, ok := r.(Previewer[T]); ok {
		p.preview = func(ctx context.Context, obj api.Object, q Question) (forecast.Owner, error) {
			return v.Preview(ctx, obj.(T), q)
		}
	}
	return p
}

// Kind returns the kind that the plugin drives.
func (p Plugin) Kind() schema.GroupVersionKind { return p.kind }

// Options returns how the engine is to treat the kind.
func (p Plugin) Options() Options { return p.options }

// References calls the reconciler.
func (p Plugin) References(obj api.Object) []Ref { return p.references(obj) }

// Reconcile calls the reconciler.
func (p Plugin) Reconcile(ctx context.Context, obj api.Object) (Result, error) {
	return p.reconcile(ctx, obj)
}

// Finalize calls the reconciler.
func (p Plugin) Finalize(ctx context.Context, obj api.Object) error { return p.finalize(ctx, obj) }

// Previews says whether the kind can tell what it would do.
func (p Plugin) Previews() bool { return p.preview != nil }

// Preview calls the reconciler, which has to be one that previews.
func (p Plugin) Preview(ctx context.Context, obj api.Object, q Question) (forecast.Owner, error) {
	return p.preview(ctx, obj, q)
}

// Registry is the set of plugins that one process runs.
type Registry struct {
	plugins []Plugin
	byKind  map[schema.GroupKind]Plugin
}

// NewRegistry returns a registry of the given plugins. Two plugins of one kind,
// and a plugin without a kind, are errors.
func NewRegistry(plugins ...Plugin) (*Registry, error) {
	r := &Registry{byKind: make(map[schema.GroupKind]Plugin, len(plugins))}
	for _, p := range plugins {
		gk := p.kind.GroupKind()
		if gk.Empty() {
			return nil, fmt.Errorf("register plugin: empty kind")
		}
		if _, twice := r.byKind[gk]; twice {
			return nil, fmt.Errorf("register plugin %s: the kind has one already", gk)
		}
		r.byKind[gk] = p
		r.plugins = append(r.plugins, p)
	}
	return r, nil
}

// Plugins returns all plugins in the order they were given.
func (r *Registry) Plugins() []Plugin { return r.plugins }

// Plugin returns the plugin of a kind, and whether there is one.
func (r *Registry) Plugin(kind schema.GroupKind) (Plugin, bool) {
	p, ok := r.byKind[kind]
	return p, ok
}
