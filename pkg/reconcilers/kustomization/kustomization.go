package kustomization

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/decrypt"
)

// Objects returns the cached object of a kind and name, and whether there is
// one.
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

// Accounts issues tokens of ServiceAccounts that are meant for the given audiences.
type Accounts interface {
	ServiceAccountToken(ctx context.Context, namespace, name string, audiences []string) (string, error)
}

// Publisher takes facts.
type Publisher interface{ Publish(events.Fact) }

// Options are the settings of the process that concern this kind.
type Options struct {
	// Workers is how many objects are reconciled at once.
	Workers int
	// NoCrossNamespaceRefs refuses sources of other namespaces.
	NoCrossNamespaceRefs bool
	// RequeueDependency is how long to wait for a dependency or a source before
	// looking again without having been woken.
	RequeueDependency time.Duration
	// Externals is for sources of the kind ExternalArtifact; nil refuses them.
	Externals consumer.Externals
	// FullResync is how often everything is compared with the API server,
	// whatever is remembered.
	FullResync time.Duration
	// Headroom is the memory that builds share with others; nil is without bounds.
	Headroom *artifacts.Headroom
	// PruneBudget is how many objects one revision may delete without approval.
	PruneBudget apply.Budget
	// Namespace is where the process runs; empty if that is in no cluster.
	Namespace string
	// AdditiveReadyExpr has a dependency with an expression be ready in the usual sense
	// as well.
	AdditiveReadyExpr bool
	// SlowFail waits for all objects although one has failed already.
	SlowFail bool
	// StrictSubstitution refuses to build what uses a variable that is not set.
	StrictSubstitution bool
	// AgeSecret names the Secret with the age keys for objects that name none. Its
	// name is empty if there is none.
	AgeSecret SecretName
	// KeyServices are asked for data keys that no key at hand opens; nil asks none.
	KeyServices *decrypt.Services
	// ObjectLevelIdentity allows spec.decryption.serviceAccountName, and
	// DecryptionAccount is who counts where it is empty.
	ObjectLevelIdentity bool
	DecryptionAccount   string
	// VaultConfigMap names the ConfigMap with the Vault servers that tokens of
	// ServiceAccounts are shown to. Its name is empty if there are none.
	VaultConfigMap ConfigMapName
	// Accounts issues those tokens.
	Accounts Accounts
}

// SecretName names a Secret.
type SecretName struct{ Namespace, Name string }

// ConfigMapName names a ConfigMap.
type ConfigMapName struct{ Namespace, Name string }

// Plugin returns the reconciler of Kustomization.
func Plugin(store *artifacts.Store, builder Builder, builds *render.Cache, appliers *clusters.Clusters, objects Objects, configs Configs, bus Publisher, o Options) reconcilers.Plugin {
	r := &reconciler{
		store: store, builder: builder, builds: builds, tenancy: tenancyOf(appliers),
		objects: objects, configs: configs, bus: bus, options: o, resyncs: consumer.NewResyncs(o.FullResync), judges: consumer.NewJudges(apply.NewRules),
	}
	return reconcilers.For(api.KustomizationGVK, r, reconcilers.Options{
		Workers: o.Workers, Finalizer: true,
		Controller: api.ComponentKustomize, Manager: api.ManagerKustomizeStatus,
		FailureReason: api.ReasonReconciliationFailed, AsksServerOnly: true,
	})
}

// applier brings objects to the cluster; [apply.Applier] is one.
type applier interface {
	writer
	watcher
	foreteller
}

type foreteller interface {
	Forecast(ctx context.Context, f apply.Foresight) ([]forecast.Object, error)
	ForecastPrune(ctx context.Context, owner apply.Owner, stale apply.Inventory) ([]forecast.Object, error)
}

type writer interface {
	Plan(ctx context.Context, r apply.Request) (*apply.Plan, error)
	Apply(ctx context.Context, plan *apply.Plan) (apply.Outcome, error)
	Doomed(ctx context.Context, owner apply.Owner, stale apply.Inventory) (apply.Inventory, error)
	Prune(ctx context.Context, owner apply.Owner, stale apply.Inventory) (apply.Changes, apply.Inventory, error)
}

type watcher interface {
	Health(ctx context.Context, owner apply.Owner, entries apply.Inventory) (apply.Report, error)
	Ready(ctx context.Context, owner apply.Owner, entries apply.Inventory) (apply.Report, error)
	Remaining(ctx context.Context, owner apply.Owner, entries apply.Inventory) (apply.Inventory, error)
}

type reconciler struct {
	store   *artifacts.Store
	builder Builder
	builds  *render.Cache
	tenancy tenancy
	objects Objects
	configs Configs
	bus     Publisher
	options Options
	resyncs *consumer.Resyncs
	judges  *consumer.Judges[*apply.Rules]
}

// References implements [reconcilers.Reconciler].
func (r *reconciler) References(obj *v1.Kustomization) []reconcilers.Ref {
	refs := make([]reconcilers.Ref, 0, 1+len(obj.Spec.DependsOn))
	refs = append(refs, sourceRef(obj))
	refs = append(refs, consumer.KubeConfigRefs(obj.Namespace, obj.Spec.KubeConfig)...)
	for _, d := range obj.Spec.DependsOn {
		ref := dependencyRef(obj, d)
		self := ref.Namespace == obj.Namespace && ref.Name == obj.Name
		ref.Whole = d.ReadyExpr != "" && !self // an expression may ask about any field
		refs = append(refs, ref)
	}
	return append(refs, r.configRefs(obj)...)
}

// Reconcile implements [reconcilers.Reconciler].
func (r *reconciler) Reconcile(ctx context.Context, obj *v1.Kustomization) (reconcilers.Result, error) {
	p := &pass{reconciler: r, obj: obj, started: time.Now(), list: obj.Status.Conditions}
	result, err := p.run(ctx)
	obj.Status.Conditions = p.list
	return result, err
}

// reasonInvalidName is the reason of a name that no label can hold.
const reasonInvalidName = "InvalidName"

// labelable refuses a name that the objects cannot be labelled with.
func (p *pass) labelable() error {
	if n := len(p.obj.Name); n > validation.LabelValueMaxLength {
		return fault.Stalled(reasonInvalidName, fmt.Errorf("metadata.name: its %d characters are more than the %d that fit into the label %s of its objects",
			n, validation.LabelValueMaxLength, api.LabelKustomizationName))
	}
	return nil
}

// run is the order of the steps.
func (p *pass) run(ctx context.Context) (reconcilers.Result, error) {
	if err := p.labelable(); err != nil {
		return reconcilers.Result{}, err
	}
	if err := p.decryptable(); err != nil {
		return reconcilers.Result{}, err
	}
	if _, err := p.budget(); err != nil {
		return reconcilers.Result{}, err
	}
	if err := p.expressions(); err != nil {
		return reconcilers.Result{}, err
	}
	artifact, err := p.source()
	if err != nil {
		return reconcilers.Result{}, err
	}
	if err := p.dependencies(ctx, artifact); err != nil {
		return reconcilers.Result{}, err
	}
	if err := p.connect(ctx); err != nil {
		return reconcilers.Result{}, err
	}
	if err := p.dependsOnObjects(ctx); err != nil {
		return reconcilers.Result{}, err
	}
	output, err := p.build(ctx, artifact)
	if err != nil {
		return reconcilers.Result{}, err
	}
	plan, err := p.plan(ctx, output)
	if err != nil {
		return reconcilers.Result{}, err
	}
	if p.writeAhead(plan) {
		return reconcilers.Result{Again: true, Progress: fmt.Sprintf("Detecting drift for revision %s with a timeout of %s", p.revision, p.obj.GetTimeout())}, nil
	}
	if err := p.apply(ctx, plan); err != nil {
		return reconcilers.Result{}, err
	}
	if err := p.prune(ctx, plan); err != nil {
		return reconcilers.Result{}, err
	}
	if err := p.health(ctx, plan); err != nil {
		return reconcilers.Result{}, err
	}
	return p.done(), nil
}
