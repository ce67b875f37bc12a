package main

import (
	"context"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/engine"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/all"
)

// parts are what the plugins are made of.
type parts struct {
	store *artifacts.Store
	deps  all.Deps
	wake  func(engine.Key, time.Duration)
}

func newParts(_ context.Context, d *daemon) (*parts, error) {
	o := d.options
	store, err := artifacts.New(artifacts.Options{
		Budget: int64(o.artifactBudget), CacheDir: o.cacheDir, CacheSize: int64(o.cacheSize),
		Report: func(err error) { d.log.Error(err, "artifact cache") },
	})
	if err != nil {
		return nil, err
	}
	d.server.metrics.Store(func() events.StoreUse {
		s := store.Stats()
		return events.StoreUse{Bytes: s.Used, Budget: s.Budget, Evictions: s.Evictions}
	})
	reader, err := kube.NewReader(d.clients)
	if err != nil {
		return nil, err
	}
	p := &parts{store: store}
	p.deps = all.Deps{
		Store: store, Cache: d.cache, Reader: reader,
		Workers: o.concurrent, RequeueDependency: o.requeueDependency,
		Git: all.Git{
			BaseURL: baseURL(o.storageAddr), Limits: artifacts.Limits{Bytes: int64(o.sourceMax)},
			KeyExchanges: o.kexAlgos, HostKeyAlgorithms: o.hostKeyAlgos,
		},
	}
	return p, nil
}

// defaultHost is what status.artifact.url names where nothing else is said: the
// Service of the stock source-controller.
const defaultHost = "source-controller.flux-system.svc.cluster.local."

// baseURL returns the beginning of status.artifact.url. An address may be a host
// or the beginning of a URL.
func baseURL(address string) string {
	if address == "" {
		address = defaultHost
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	return strings.TrimSuffix(address, "/") + "/"
}

func (p *parts) plugins() []reconcilers.Plugin { return all.Plugins(p.deps) }

func (p *parts) close(context.Context) { p.store.Close() }
