package apply

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Owner is the object whose manifests are applied. Its kind is that of the
// [Applier].
type Owner struct{ Namespace, Name string }

// String returns namespace/name.
func (o Owner) String() string { return o.Namespace + "/" + o.Name }

// Labels are the keys of the labels that say whose an object is.
type Labels struct{ Name, Namespace string }

// Config is what an [Applier] is made of.
type Config struct {
	// Dynamic writes, and watches the records.
	Dynamic dynamic.Interface
	// Mapper says how kinds are served. If it has a method Reset(), that is called
	// once per pass that met a kind the mapper does not know.
	Mapper meta.RESTMapper
	// Manager is the field manager of every write.
	Manager string
	// Labels are set on every object, and select what is watched. With NoWatch they may
	// be empty: then nothing tells whose an object is.
	Labels Labels
	// MarkPrefix is that of the annotations and labels by which people steer single
	// objects, such as kustomize.toolkit.fluxcd.io for .../prune: disabled.
	MarkPrefix string
	// DriftKey is that of the annotation or label that, with the value disabled, keeps
	// an object from being repaired; see [Request.Repair].
	DriftKey string
	// Concurrency bounds the requests in flight; zero means 8.
	Concurrency int
	// OverrideManagers are prefixes of field managers, beyond kubectl's, whose
	// fields are taken over.
	OverrideManagers []string
	// StageKinds are applied before everything that is not a CRD, Namespace,
	// ClusterRole or *Class.
	StageKinds []schema.GroupKind
	// MigrateAPIVersion moves what other managers recorded to the API version that is
	// applied.
	MigrateAPIVersion bool
	// TakeOnly leaves what kubectl and older tools wrote alone: only fields that the
	// manager itself wrote by other means than apply, and those of OverrideManagers,
	// become its own.
	TakeOnly bool
	// Updates counts the fields that the manager wrote by other means than apply among
	// its own, for objects that are merged by the client.
	Updates bool
	// Strict has the API server refuse fields that it does not know, which are left out
	// with a warning otherwise.
	Strict bool
	// NoWatch reads objects when they are needed instead of watching them, as a
	// remote cluster asks for.
	NoWatch bool
	// Wake is called when something an owner left, or waits for, has changed, with
	// how long to wait before acting on it. It must not block, and it may be called
	// for an owner that is running.
	Wake func(Owner, time.Duration)
}

// Applier applies the objects of one kind of owner to one cluster. It is safe
// for concurrent use by passes over different owners.
type Applier struct {
	cfg     Config
	client  dynamic.Interface     // as whom it writes and reads
	as      unique.Handle[string] // its name, zero for ourselves
	reducer *reducer
	store   *store
	slots   chan struct{} // held by a request in flight
}

// New returns an applier. [Applier.Close] ends its watches.
func New(cfg Config) *Applier {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 8
	}
	r := &reducer{
		hash: newHasher(), manager: cfg.Manager, labels: cfg.Labels, prefix: cfg.MarkPrefix,
		takeover: newTakeover(cfg.Manager, cfg.OverrideManagers, cfg.MigrateAPIVersion),
		updates:  cfg.Updates, driftKey: cfg.DriftKey,
	}
	if cfg.TakeOnly {
		r.takeover = r.takeover.only(cfg.OverrideManagers)
	}
	return &Applier{
		cfg: cfg, client: cfg.Dynamic, reducer: r,
		store: newStore(r, cfg.Wake, cfg.NoWatch),
		slots: make(chan struct{}, cfg.Concurrency),
	}
}

// As returns an applier that writes and reads through d, as somebody else, whose
// name is not empty. Records are shared with a, and tell an owner only of what it
// has left under the same name; everything else is read through d. Use one d per
// name: watches of single objects are shared by it.
func (a *Applier) As(name string, d dynamic.Interface) *Applier {
	other := *a
	other.client, other.as = d, unique.Make(name)
	return &other
}

// by returns owner as an author.
func (a *Applier) by(owner Owner) author { return author{unique.Make(owner), a.as} }

// Close ends every watch and waits until they have ended.
func (a *Applier) Close() { a.store.close() }

// Watch keeps the records of exactly these entries and lets go of the others of
// owner. Plan does it too; Watch is for an owner that is not planned for now.
func (a *Applier) Watch(owner Owner, entries Inventory) {
	m := a.mapper()
	var targets []target
	uncertain := false
	for _, e := range entries {
		v, err := m.any(e)
		if err == nil {
			targets = append(targets, a.target(v))
		}
		uncertain = uncertain || err != nil && !meta.IsNoMatchError(err)
	}
	a.store.attach(owner, forKinds, targets, uncertain)
}

// Stats are figures for metrics.
type Stats struct {
	Watches int // under way or wanted
	Blind   int // of these, those of kinds that cannot be watched now
	Records int
}

// Stats returns what is watched and kept at the moment.
func (a *Applier) Stats() Stats { return a.store.stats() }

// Forget drops everything that is remembered of owner.
func (a *Applier) Forget(owner Owner) { a.store.forget(owner) }

func (a *Applier) mapper() *mapper { return &mapper{RESTMapper: a.cfg.Mapper} }

// resource is where requests about an object go.
func (a *Applier) resource(v served, k key) dynamic.ResourceInterface {
	return a.client.Resource(v.gvr).Namespace(k.namespace)
}

// get reads one object; nil means that it does not exist.
func (a *Applier) get(ctx context.Context, v served, k key) (*unstructured.Unstructured, error) {
	obj, err := a.resource(v, k).Get(ctx, k.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return obj, err
}

// reread reads an object and lets the records know.
func (a *Applier) reread(ctx context.Context, v served, src *source, k key) (*unstructured.Unstructured, record, error) {
	before := a.store.version(src, k)
	live, err := a.get(ctx, v, k)
	if err != nil {
		return nil, record{}, err
	}
	return live, a.store.refresh(src, k, before, live), nil
}

// each calls f for 0 to n-1, as many at a time as requests may be in flight, and
// returns when all are done or ctx has ended. A panic of f is one of the caller's
// goroutine, where somebody recovers it.
func (a *Applier) each(ctx context.Context, n int, f func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	var panicked atomic.Value
	for range min(n, cap(a.slots)) {
		workers.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panicked.Store(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
				}
			}()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				a.inSlot(ctx, func() { f(i) })
			}
		})
	}
	workers.Wait()
	if r := panicked.Load(); r != nil {
		panic(r)
	}
}

// inSlot calls f when a request may be sent, or not at all if ctx ends first.
func (a *Applier) inSlot(ctx context.Context, f func()) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
		f()
	case <-ctx.Done():
	}
}
