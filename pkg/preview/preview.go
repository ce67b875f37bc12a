package preview

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/sources/external"
)

// Errors of a request that cannot be answered.
var (
	// ErrUnknown says that there is no such object.
	ErrUnknown = errors.New("not found")
	// ErrRequest says that the request asks for something that there is not.
	ErrRequest = errors.New("bad request")
	// ErrDenied says that the caller may not see it.
	ErrDenied = errors.New("forbidden")
)

// Live reads single objects; [kube.Live] is one. The error of a missing one satisfies
// IsNotFound of the API errors package.
type Live interface {
	Get(ctx context.Context, kind schema.GroupKind, namespace, name string) (metav1.Object, error)
	Typed(obj *unstructured.Unstructured) (metav1.Object, error)
}

// Configs reads Secrets and ConfigMaps live; [kube.Reader] is one.
type Configs interface {
	Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error)
	ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error)
}

// World is what the plugins of one preview work with.
type World struct {
	Store   *artifacts.Store
	Objects *Objects
	Configs Configs
}

// Externals opens the artifacts that others offer; [external.Fetcher] is one.
type Externals interface {
	Open(owner artifacts.Owner, a external.Artifact) (t *artifacts.Tree, release func(), err error)
}

// Config is what [Previews] are made of.
type Config struct {
	Live    Live
	Configs Configs
	// Plugins returns the plugins for a world of their own, and what frees them.
	Plugins func(World) (plugins []reconcilers.Plugin, free func())
	// Stored is asked for artifacts before they are fetched. It may be nil.
	Stored *artifacts.Store
	// Externals fetches ExternalArtifacts; nil refuses them.
	Externals Externals
	// Limits bound a folder, and Budget the files of all sources of one preview, in
	// bytes; 256 MiB if zero.
	Limits artifacts.Limits
	Budget int64
	// Owners is how many objects one preview looks into; 200 if zero. Objects is of
	// how many objects it tells; 20,000 if zero.
	Owners, Objects int
}

// Previews makes previews. It is safe for concurrent use.
type Previews struct{ cfg Config }

// New returns what makes previews. No request is made.
func New(cfg Config) *Previews {
	cfg.Owners, cfg.Objects = cmp.Or(cfg.Owners, 200), cmp.Or(cfg.Objects, 20_000)
	cfg.Budget = cmp.Or(cfg.Budget, 256<<20)
	return &Previews{cfg}
}

// Request asks for a preview.
type Request struct {
	Kind            schema.GroupKind
	Namespace, Name string
	// Revision is one of the source of the object: a revision as status tells it, a
	// commit, a tag or a digest. Branch is a branch of it. With neither, it is what the
	// source would fetch now.
	Revision, Branch string
	// Folder stands for the files of the source; nil is none.
	Folder *Folder
	// Recursive looks into what the object applies, too.
	Recursive bool
	// Policy says what the caller may be told; nil tells all.
	Policy Policy
}

// validate refuses what cannot be meant.
func (r Request) validate() error {
	switch {
	case r.Namespace == "" || r.Name == "":
		return fmt.Errorf("%w: a namespace and a name are needed", ErrRequest)
	case r.Folder != nil && (r.Revision != "" || r.Branch != ""):
		return fmt.Errorf("%w: a folder has neither a revision nor a branch", ErrRequest)
	}
	return nil
}

// Report is a preview.
type Report struct {
	// Results has the object of the request first, and then what is reachable from it.
	Results []forecast.Owner `json:"results"`
	// Truncated says why there may be more.
	Truncated string `json:"truncated,omitempty"`
}

// Changed counts the objects that something would be done with.
func (r *Report) Changed() int {
	n := 0
	for _, o := range r.Results {
		n += o.Changed() - o.Refused()
	}
	return n
}

// Failures counts the objects that are refused or of which there is no forecast.
func (r *Report) Failures() int {
	n := 0
	for _, o := range r.Results {
		n += o.Refused()
		if o.Error != "" {
			n++
		}
	}
	return n
}

// Run makes a preview. What is wrong with single objects is part of the report; an
// error is [ErrUnknown], [ErrRequest], [ErrDenied], that of ctx, or one of the API
// server.
func (p *Previews) Run(ctx context.Context, r Request) (*Report, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	s, err := p.begin(ctx, r)
	if err != nil {
		return nil, err
	}
	defer s.end()
	return s.run(ctx)
}

// read returns the object that a request is about.
func (p *Previews) read(ctx context.Context, r Request) (api.Object, error) {
	found, err := p.cfg.Live.Get(ctx, r.Kind, r.Namespace, r.Name)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%s '%s/%s' %w", r.Kind.Kind, r.Namespace, r.Name, ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s '%s/%s': %w", r.Kind.Kind, r.Namespace, r.Name, err)
	}
	obj, ok := found.(api.Object)
	if !ok {
		return nil, fmt.Errorf("%w: a %s applies nothing", ErrRequest, r.Kind.Kind)
	}
	return obj, nil
}
