package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/scheme"
	"github.com/fluxd/fluxd/pkg/engine"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/install"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// run builds the daemon, runs it until ctx ends, and takes it down in order.
func run(ctx context.Context, o *options, logs io.Writer) error {
	log, err := newLogger(o.logLevel, o.logEncoding, logs)
	if err != nil {
		return err
	}
	limitMemory(memlimit.FromCgroup, log)
	if dir := usableCacheDir(o.cacheDir, log); dir != o.cacheDir {
		if err := o.given.Set("cache-dir", dir); err != nil {
			return err
		}
	}
	http.DefaultTransport = kustomize.NoNetwork{}
	d, err := build(ctx, o, log)
	if err != nil && ctx.Err() != nil {
		return nil // it was told to stop while it waited
	}
	if err != nil {
		return err
	}
	defer d.close()
	log.Info("starting fluxd", "version", version, "server", d.clients.Config().Host)
	return d.run(ctx)
}

// daemon is every part of the process.
type daemon struct {
	options  *options
	own      *options // as the process itself was told
	settings settings // whose process part is options
	// heard is what the Deployments of Flux controllers said at the start, in a version of
	// their list, which is empty if nobody asked.
	heard        []install.Controller
	heardVersion string
	log          logr.Logger
	clients      *kube.Clients
	cache        *kube.Cache
	metadata     *kube.Metadata
	secrets      *kube.Secrets
	registry     *reconcilers.Registry
	engine       *engine.Engine
	bus          *events.Bus
	parts        *parts
	server       *server
	memory       *memoryWatch // nil without the feature gate
	working      atomic.Bool  // it has listed the objects and reconciles
}

// build makes every part and connects them. Nothing runs yet.
func build(ctx context.Context, o *options, log logr.Logger) (*daemon, error) {
	config, err := kube.Load(o.kubeconfig, "fluxd/"+version)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = o.qps, o.burst
	d := &daemon{options: o, own: o, log: log, bus: &events.Bus{}}
	if d.clients, err = kube.NewClients(config, scheme.New()); err != nil {
		return nil, err
	}
	d.clients.Contact(
		func(err error) { log.Error(err, "the API server cannot be reached; it is tried again") },
		func() { log.Info("the API server can be reached again") },
	)
	if d.server, err = newServer(o, log); err != nil {
		return nil, err
	}
	d.server.metrics.CountRequests()
	if err = d.learn(ctx, unanswered); err != nil {
		return nil, err
	}
	o = d.options
	scope := kube.Scope{Namespace: o.scopeNamespace(), Selector: o.watchSelector}
	if d.cache, err = kube.NewCache(d.clients, watched(), scope); err != nil {
		return nil, err
	}
	if o.gates.on("OOMWatch") {
		if d.memory, err = newMemoryWatch(o.memory, cgroup); err != nil {
			return nil, err
		}
	}
	if o.gates["AdoptLegacyReleases"] {
		log.Info("the feature gate AdoptLegacyReleases has no effect: releases of that age are not adopted")
	}
	if d.parts, err = newParts(ctx, d); err != nil {
		return nil, err
	}
	if err := d.observeFacts(); err != nil {
		return nil, err
	}
	if err := d.buildEngine(); err != nil {
		return nil, err
	}
	return d, errors.Join(d.offer(), d.openAPI())
}

// watched returns the kinds whose objects are noticed.
func watched() []api.Resource { return api.Resources() }

func (d *daemon) buildEngine() error {
	o := d.options
	var err error
	if d.registry, err = reconcilers.NewRegistry(d.parts.plugins()...); err != nil {
		return err
	}
	for _, plugin := range d.registry.Plugins() {
		d.server.metrics.Workers(plugin.Kind().Kind, plugin.Options().Workers)
	}
	writer, err := kube.NewStatusWriter(d.clients, api.Resources())
	if err != nil {
		return err
	}
	d.engine = engine.New(engine.Config{
		Registry: d.registry,
		Kinds:    d.cache.Kinds(),
		Cache:    d.cache,
		Writer:   writer,
		Bus:      d.bus,
		Observer: d.server.observer(),
		Queues:   d.server.metrics.Queues(),
		Timing: engine.Timing{
			Jitter:   float64(o.jitterPercent) / 100,
			MinRetry: o.minRetry, MaxRetry: o.maxRetry,
		},
		Watch: d.watchConfig(), Abandoned: d.abandoned,
		Ledger: d.ledger(),
		Grace:  o.grace,
		Log:    d.log,
	})
	configScope := kube.Scope{Namespace: o.scopeNamespace(), Selector: o.configSelector}
	d.metadata, err = kube.NewMetadata(d.clients, configScope, func(kind schema.GroupKind, namespace, name string) {
		d.secrets.Changed(namespace, name) // before anybody reads it on account of that
		d.engine.WakeDependents(reconcilers.NewRef(kind, namespace, name))
	})
	d.parts.wake = d.engine.WakeAfter
	return err
}

// watchConfig returns what has Secrets and ConfigMaps watched, nil if they are
// not to be.
func (d *daemon) watchConfig() func(schema.GroupKind) {
	if d.options.gates["DisableConfigWatchers"] {
		return nil
	}
	return func(kind schema.GroupKind) { d.metadata.Want(kind) }
}

// abandoned says whether the definition of a kind is being deleted, or is gone. Where we
// may not look at definitions it is not.
func (d *daemon) abandoned(ctx context.Context, kind schema.GroupKind) (bool, error) {
	for _, r := range api.Resources() {
		if r.Kind.GroupKind() == kind {
			gone, err := d.clients.Terminating(ctx, definitions, "", r.Name.Resource+"."+r.Name.Group)
			if apierrors.IsForbidden(err) {
				return false, nil
			}
			return gone, err
		}
	}
	return false, nil
}

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// ledger opens the memory of crashes, which needs a directory that outlives the
// process. Without one that can be read there is none.
func (d *daemon) ledger() *engine.Ledger {
	if d.options.cacheDir == "" {
		return nil
	}
	ledger, err := engine.OpenLedger(d.options.cacheDir)
	if err != nil {
		d.log.Error(err, "going on without a memory of crashes")
		return nil
	}
	return ledger
}

// run serves and works until ctx ends or something essential fails.
func (d *daemon) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	defer running.Wait()
	if d.memory != nil {
		running.Go(func() { d.memory.run(ctx, d.log, stop) })
	}
	running.Go(func() { d.relearn(ctx, stop) })
	failed := make(chan error, 2)
	running.Go(func() { failed <- d.server.run(ctx) })

	work := d.work
	if d.options.election {
		work = d.lead
	}
	running.Go(func() { failed <- work(ctx) })
	err := <-failed
	stop(nil)
	return errors.Join(err, <-failed)
}

// work watches and reconciles until ctx ends. The watches outlive the engine, so
// that the last runs see the truth.
func (d *daemon) work(ctx context.Context) error {
	listed, err := d.engine.Listen()
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watches sync.WaitGroup
	watches.Go(func() { d.cache.Start(watching) })
	watches.Go(func() { d.metadata.Start(watching) })
	watches.Go(func() { d.secrets.Start(watching) })
	go d.server.readyAfter(ctx, listed)
	go d.workAfter(ctx, listed)
	defer d.working.Store(false)
	err = d.engine.Run(ctx, listed)
	stop()
	watches.Wait()
	return err
}

// workAfter notes that the process reconciles once listed is closed.
func (d *daemon) workAfter(ctx context.Context, listed <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-listed:
		d.working.Store(true)
	}
}

// close flushes and frees what build made, last first.
func (d *daemon) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if d.parts != nil {
		d.parts.close(ctx)
	}
	d.bus.Close(ctx)
}
