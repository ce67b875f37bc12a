package helmchart

import (
	"context"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/helm"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/signature"
)

// Objects is what the process knows of other objects. What it returns is read only.
type Objects interface {
	// Source returns the source of a kind and name, and whether there is one.
	Source(kind, namespace, name string) (api.Source, bool)
	// Repositories returns the HelmRepositories of a namespace.
	Repositories(namespace string) []*v1.HelmRepository
}

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// RequeueDependency is how long to wait for a source before looking again
	// without having been woken.
	RequeueDependency time.Duration
	// Limits bound one chart.
	Limits helm.Limits
	// IndexBytes is how long an index may be; zero is the default.
	IndexBytes int64
	// Root returns what is trusted of the public Sigstore instance. Nil means that
	// signatures without a key do not hold.
	Root func(context.Context) (*signature.Root, error)
}

// Plugin returns the reconciler of HelmChart. Indexes is what it shares with
// HelmRepository.
func Plugin(c attempt.Config, objects Objects, indexes *helm.Indexes, o Options) reconcilers.Plugin {
	r := &reconciler{config: c, objects: objects, indexes: indexes, options: o, tokens: oci.NewTokens()}
	return reconcilers.For(api.HelmChartGVK, r, reconcilers.Options{
		Workers: o.Workers, Controller: api.ComponentSource, Manager: api.ManagerSource,
		FailureReason: api.ReasonFailed,
	})
}

type reconciler struct {
	config  attempt.Config
	objects Objects
	indexes *helm.Indexes
	options Options
	tokens  *oci.Tokens
}

// References implements [reconcilers.Reconciler]. The Secrets of a HelmRepository are
// those that are known by now: whoever lacks one fails, and is asked again.
func (r *reconciler) References(obj *v1.HelmChart) []reconcilers.Ref {
	ref := obj.Spec.SourceRef
	refs := []reconcilers.Ref{reconcilers.NewRef(api.SourceV1.WithKind(ref.Kind).GroupKind(), obj.Namespace, ref.Name)}
	if source, ok := r.objects.Source(ref.Kind, obj.Namespace, ref.Name); ok {
		if repository, ok := source.(*v1.HelmRepository); ok {
			refs = append(refs, attempt.SecretRefs(obj.Namespace, repository.Spec.SecretRef, repository.Spec.CertSecretRef)...)
		}
	}
	if v := obj.Spec.Verify; v != nil {
		refs = append(refs, attempt.SecretRefs(obj.Namespace, v.SecretRef)...)
	}
	return refs
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v1.HelmChart) (reconcilers.Result, error) {
	a := &one{
		reconciler: r, obj: obj,
		Attempt: attempt.Begin(r.config, api.HelmChartKind, obj, &obj.Status.Artifact, api.ConditionBuildFailed),
		memory:  r.config.Headroom.Share(), observed: obj.Status.ObservedSourceArtifactRevision,
	}
	a.later(a.memory.Leave)
	defer a.done()
	if obj.Spec.Suspend {
		return reconcilers.Result{}, a.refill(ctx)
	}
	return a.run(ctx)
}

// Finalize implements [reconcilers.Reconciler].
func (r *reconciler) Finalize(_ context.Context, obj *v1.HelmChart) error {
	r.config.Store.Forget(artifacts.Owner{Kind: api.HelmChartKind, Namespace: obj.Namespace, Name: obj.Name})
	return nil
}

// one is one reconcile of one object.
type one struct {
	*reconciler
	*attempt.Attempt
	obj *v1.HelmChart
	// observed is the revision of the source that the reconcile before this one saw.
	observed string
	// recorded is the version that is to be made again, for a suspended object.
	recorded string
	// memory is what all that this reconcile loads is charged to: with two shares it
	// might wait for itself.
	memory  *artifacts.Share
	closers []func()
}

// later has something done when the reconcile is over.
func (a *one) later(f func()) { a.closers = append(a.closers, f) }

// limits bound the chart.
func (a *one) limits() helm.Limits {
	l := a.options.Limits
	l.Memory = a.memory
	return l
}

func (a *one) done() {
	for _, f := range a.closers {
		f()
	}
}

// run is the order of the steps.
func (a *one) run(ctx context.Context) (reconcilers.Result, error) {
	made, err := a.make(ctx)
	if err != nil {
		return reconcilers.Result{}, err
	}
	a.Drop(api.ConditionBuildFailed)
	if a.obj.Spec.Verify == nil {
		a.Drop(api.ConditionSourceVerified)
	}
	a.obj.Status.URL = a.URL("latest.tar.gz")
	if made.tree == nil {
		return a.Unchanged(made.reason(), made.summary(), api.ReasonArtifactUpToDate,
			"artifact up-to-date with remote revision: '"+made.Version+"'"), nil
	}
	return a.publish(made)
}

// make finds the chart in its source.
func (a *one) make(ctx context.Context) (*made, error) {
	source, err := a.source()
	if err != nil {
		return nil, err
	}
	repository, isHelm := source.(*v1.HelmRepository)
	switch {
	case isHelm && repository.IsOCI():
		return a.fromRegistry(ctx, repository)
	case isHelm:
		return a.fromRepository(ctx, repository)
	default:
		return a.fromTree(ctx, source)
	}
}
