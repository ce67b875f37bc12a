package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
)

// Cache is where the engine reads objects; [kube.Cache] is one.
type Cache interface {
	// Stored returns an [api.Object], a [*kube.Undecodable] or nil.
	Stored(kind schema.GroupKind, namespace, name string) metav1.Object
	// Each calls f for every object of a kind.
	Each(kind schema.GroupKind, f func(metav1.Object))
	// Handle has h told of every change of the objects of a kind. The channel
	// is closed once h has been told of all that there was at the start.
	Handle(kind schema.GroupKind, h kube.Handler) (listed <-chan struct{}, err error)
}

// Writer is how the engine writes; [kube.StatusWriter] is one.
type Writer interface {
	PatchStatus(ctx context.Context, manager string, t kube.Target, status json.RawMessage) (api.Object, error)
	PatchFinalizers(ctx context.Context, manager string, t kube.Target, finalizers []string) (api.Object, error)
	Get(ctx context.Context, t kube.Target) (api.Object, error)
}

// Observer is told what the engine did, for metrics. Its methods must return
// at once.
type Observer interface {
	// Reconciled is told of a run that ended and of the Ready status it left.
	Reconciled(key Key, took time.Duration, ready metav1.ConditionStatus)
	// Forgotten is told of an object that is no more.
	Forgotten(key Key)
	// Working is told that more workers of a kind hold an object, or fewer.
	Working(kind schema.GroupKind, more int)
	// LostWakeup is told of an object that nothing would have woken.
	LostWakeup(key Key)
}

// Config is what an engine is made of.
type Config struct {
	Registry *reconcilers.Registry
	// Kinds are those whose changes are noticed: the plugins' own and those
	// that they read.
	Kinds  []schema.GroupKind
	Cache  Cache
	Writer Writer
	Bus    *events.Bus
	// Observer may be nil.
	Observer Observer
	// Queues gets the metrics of the lanes. It may be nil.
	Queues workqueue.MetricsProvider
	Timing Timing
	// Watch is asked to have a kind watched that some object reads. It may be
	// nil and is called often.
	Watch func(schema.GroupKind)
	// Ledger may be nil: then no object is held back after a crash.
	Ledger *Ledger
	// Abandoned says whether the definition of a kind is being deleted. Its objects are
	// then released and nothing is undone: whoever takes us off a cluster does not mean
	// what we left there. It is asked once per finalization, which waits for an answer, and
	// may be nil.
	Abandoned func(ctx context.Context, kind schema.GroupKind) (bool, error)
	// Grace is how long running reconciles may go on after the end was asked for.
	Grace time.Duration
	Log   logr.Logger
}

// Engine drives the objects of all registered kinds.
type Engine struct {
	Config
	registry *reconcilers.Registry
	watch    func(schema.GroupKind)
	queue    *queue
	table    *table
	schedule *schedule
}

// New returns an engine that has not started.
func New(c Config) *Engine {
	e := &Engine{Config: c, registry: c.Registry, watch: c.Watch, table: newTable()}
	var kinds []schema.GroupKind
	for _, p := range c.Registry.Plugins() {
		kinds = append(kinds, p.Kind().GroupKind())
	}
	e.queue = newQueue(kinds, c.Queues)
	e.schedule = newSchedule(e.Wake)
	return e
}

// Listen subscribes to the cache. It must be called before the cache starts,
// and returns a channel that is closed once all kinds are listed.
func (e *Engine) Listen() (listed <-chan struct{}, err error) {
	var all []<-chan struct{}
	for _, kind := range e.Kinds {
		c, err := e.Cache.Handle(kind, func(old, obj metav1.Object) { e.changed(kind, old, obj) })
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, c := range all {
			<-c
		}
	}()
	return done, nil
}

// Run works until ctx ends: no new work then, running reconciles get the grace
// period, and their last statuses are saved. A lost Lease leaves no such time. It
// waits for listed first, since an object that is not listed yet would look like one
// that does not exist.
func (e *Engine) Run(ctx context.Context, listed <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return nil
	case <-listed:
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var workers sync.WaitGroup
	for _, p := range e.registry.Plugins() {
		for range p.Options().Workers {
			workers.Go(func() { e.work(work, p) })
		}
	}
	workers.Go(func() { e.watchdog(ctx) })
	<-ctx.Done()
	e.schedule.stop()
	e.queue.close()
	if errors.Is(context.Cause(ctx), kube.ErrLeaseLost) {
		cancel() // another process may act already
	}
	grace := time.AfterFunc(e.Grace, cancel)
	defer grace.Stop()
	workers.Wait()
	return nil
}

// work takes keys of one kind until the queue closes.
func (e *Engine) work(ctx context.Context, p reconcilers.Plugin) {
	kind := p.Kind().GroupKind()
	for {
		key, ok := e.queue.take(kind)
		if !ok {
			return
		}
		e.working(kind, 1)
		e.visit(ctx, p, key)
		e.working(kind, -1)
		e.queue.giveBack(key)
	}
}
