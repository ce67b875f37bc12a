package apply

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"
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
	// Labels are set on every object, and select what is watched.
	Labels Labels
	// MarkPrefix is that of the annotations and labels by which people steer single
	// objects, such as kustomize.toolkit.fluxcd.io for .../prune: disabled.
	MarkPrefix string
	// Concurrency bounds the requests in flight; zero means 8.
	Concurrency int
	// OverrideManagers are prefixes of field managers, beyond kubectl's, whose
	// fields are taken over.
	OverrideManagers []string
	// StageKinds are applied before everything that is not a CRD, Namespace,
	// ClusterRole or *Class.
	StageKinds []schema.GroupKind
	// NoWatch reads objects when they are needed instead of watching them, as a
	// remote cluster asks for.
	NoWatch bool
	// Clock is the wall clock; nil means the real one.
	Clock clock.PassiveClock
	// Wake is called when something an owner left, or waits for, has changed, with
	// how long to wait before acting on it. It must not block, and it may be called
	// for an owner that is running.
	Wake func(Owner, time.Duration)
}

// Applier applies the objects of one kind of owner to one cluster. It is safe
// for concurrent use by passes over different owners.
type Applier struct {
	cfg Config
}

// New returns an applier. [Applier.Close] ends its watches.
func New(cfg Config) *Applier { return &Applier{cfg: cfg} }

// As returns an applier that writes and reads as somebody else. Records and what
// is remembered of owners are shared with a; objects that do not carry an owner's
// labels are read through d only.
func (a *Applier) As(d dynamic.Interface) *Applier { return &Applier{cfg: a.cfg} }

// Close ends every watch and waits until they have ended.
func (a *Applier) Close() {}

var errUnfinished = errors.New("apply: not part of this build yet")

// Apply carries out plan: stage by stage, a dry-run of everything that changed,
// and only if all of it passed the writes. It returns what was done together with
// a *[StageError] when a stage did not pass, and early, with Outcome.Waiting,
// when the next stage needs this one to be healthy first or when an object that
// is replaced is not gone yet.
func (a *Applier) Apply(ctx context.Context, plan *Plan) (Outcome, error) {
	return Outcome{}, errUnfinished
}

// Outcome is what [Applier.Apply] did.
type Outcome struct {
	// Changes has an element per object of the stages that were carried out.
	Changes Changes
	// Inventory has every desired object, whether or not its stage was reached.
	Inventory Inventory
	// Waiting names what must be healthy, or gone, before the rest can go on. Wake
	// is called when that changes. Empty means that the plan is carried out.
	Waiting Inventory
	// Warnings are sentences for people, such as fields that were left out because
	// the API server does not know them.
	Warnings []string
}

// Prune deletes stale objects of owner in reverse order: those that still carry
// its labels and no mark that protects them. It returns what it did, in that
// order, and which entries could not be decided and belong back into the
// inventory.
func (a *Applier) Prune(ctx context.Context, owner Owner, stale Inventory) (Changes, Inventory, error) {
	return nil, stale, errUnfinished
}

// Remaining returns those of entries whose objects still exist. Wake is called
// when one of them is gone.
func (a *Applier) Remaining(ctx context.Context, owner Owner, entries Inventory) (Inventory, error) {
	return nil, errUnfinished
}

// Watch keeps the records of exactly these entries and lets go of the others of
// owner. Plan does it too; Watch is for an owner that is not planned for now.
func (a *Applier) Watch(owner Owner, entries Inventory) {}

// Forget drops everything that is remembered of owner.
func (a *Applier) Forget(owner Owner) {}
