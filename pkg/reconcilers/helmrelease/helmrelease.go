package helmrelease

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render/decrypt"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// Objects returns the cached object of a kind and name, and whether there is one.
type Objects interface {
	Get(kind schema.GroupKind, namespace, name string) (api.Object, bool)
	SourceOf(kind schema.GroupKind, namespace, name string) (api.Source, bool)
}

// Configs reads Secrets and ConfigMaps live. The error of a missing one satisfies
// IsNotFound of the API errors package.
type Configs interface {
	Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error)
	ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error)
}

// Charts writes HelmCharts, as the process.
type Charts interface {
	// Apply creates a HelmChart or changes it to what is given.
	Apply(ctx context.Context, chart *sourcev1.HelmChart) error
	// Foretell returns a HelmChart as Apply would leave it, and writes nothing.
	Foretell(ctx context.Context, chart *sourcev1.HelmChart) (*sourcev1.HelmChart, error)
	// Delete deletes a HelmChart; that there is none is no error.
	Delete(ctx context.Context, namespace, name string) error
}

// Publisher takes facts.
type Publisher interface{ Publish(events.Fact) }

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// NoCrossNamespaceRefs refuses charts and sources of other namespaces.
	NoCrossNamespaceRefs bool
	// RequeueDependency is how long to wait for a dependency or a source before
	// looking again without having been woken.
	RequeueDependency time.Duration
	// Externals is for charts of the kind ExternalArtifact; nil refuses them.
	Externals consumer.Externals
	// Headroom is the memory that loading and rendering charts shares with others.
	Headroom *artifacts.Headroom
	// FullResync is how often all objects of a release are compared with the API
	// server, whatever is remembered.
	FullResync time.Duration
	// AdditiveReadyExpr has a dependency with an expression be ready in the usual sense
	// as well.
	AdditiveReadyExpr bool
	// AllowDNS lets templates look up hosts.
	AllowDNS bool
	// IgnoreChartDigests keeps the digest of a chart from a registry out of its version.
	IgnoreChartDigests bool
	// Helm3Defaults are what Helm 3 did where the spec says nothing: client-side apply,
	// the legacy wait, and hooks that are not post-rendered.
	Helm3Defaults bool
	// RetryByDefault makes RetryOnFailure the strategy of those that name none.
	RetryByDefault bool
	// CancelOnNews gives up waiting for the health of a release that is outdated.
	CancelOnNews bool
	// KeyServices are asked for data keys of encrypted values; nil asks none.
	KeyServices *decrypt.Services
	// ObjectLevelIdentity allows decryption as a ServiceAccount of the object, and
	// DecryptionAccount is who counts where none is named.
	ObjectLevelIdentity bool
	DecryptionAccount   string
}

// Plugin returns the reconciler of HelmRelease.
func Plugin(store *artifacts.Store, loaded *helm.Charts, renderer *helm.Renderer, releases *release.Releaser, appliers *clusters.Clusters, objects Objects, configs Configs, charts Charts, bus Publisher, o Options) reconcilers.Plugin {
	r := &reconciler{
		store: store, loaded: loaded, renderer: renderer, releases: releases, tenancy: tenancyOf(appliers), objects: objects,
		configs: configs, charts: charts, bus: bus, options: o, policy: policy{retryByDefault: o.RetryByDefault},
		resyncs: consumer.NewResyncs(o.FullResync), judges: consumer.NewJudges(release.NewHealth),
		courses: newCourses(), sent: newSent(),
	}
	return reconcilers.For(api.HelmReleaseGVK, r, reconcilers.Options{
		Workers: o.Workers, Finalizer: true,
		Controller: api.ComponentHelm, Manager: api.ManagerHelm,
		FailureReason: api.ReasonReconcileError, AsksServerOnly: true,
	})
}

type reconciler struct {
	store    *artifacts.Store
	loaded   *helm.Charts
	renderer *helm.Renderer
	releases releaser
	tenancy  tenancy
	objects  Objects
	configs  Configs
	charts   Charts
	bus      Publisher
	options  Options
	policy   policy
	resyncs  *consumer.Resyncs
	judges   *consumer.Judges[*release.Health]
	courses  *courses
	sent     *sent
}

// References implements [reconcilers.Reconciler].
func (r *reconciler) References(obj *v2.HelmRelease) []reconcilers.Ref {
	refs := append([]reconcilers.Ref{}, consumer.KubeConfigRefs(obj.Namespace, obj.Spec.KubeConfig)...)
	if ref, ok := sourceRef(obj); ok {
		refs = append(refs, ref)
	}
	for _, d := range obj.Spec.DependsOn {
		ref := dependencyRef(obj, d)
		self := ref.Namespace == obj.Namespace && ref.Name == obj.Name
		ref.Whole = d.ReadyExpr != "" && !self // an expression may ask about any field
		refs = append(refs, ref)
	}
	return append(append(refs, valuesRefs(obj)...), valuesFileRefs(obj)...)
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v2.HelmRelease) (reconcilers.Result, error) {
	p := r.pass(obj)
	defer p.close()
	err := p.hurry(ctx, p.run)
	obj.Status.Conditions = p.list
	if ctx.Err() != nil {
		return reconcilers.Result{}, ctx.Err()
	}
	end, over := errors.AsType[*ending](err)
	if !p.underway && !(over && end.result.Again) {
		p.rest()
	}
	if over {
		return end.result, nil
	}
	return reconcilers.Result{}, err
}

// rest lets go of what only an action or drift detection needs.
func (p *pass) rest() {
	p.courses.end(p.owner())
	if p.at != nil && !p.obj.GetDriftDetection().Detects() {
		p.releases.Unwatch(p.wantedTarget())
	}
}

// run is the order of the steps. It always returns an error, which is an [ending] if
// the run ended well.
func (p *pass) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		p.check, p.template, p.resume, p.dependencies, p.source, p.values, p.identify, p.connect, p.relocate, p.begin,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return p.converge(ctx)
}
