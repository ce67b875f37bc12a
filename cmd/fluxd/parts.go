package main

import (
	"context"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/engine"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// parts are what the plugins are made of.
type parts struct {
	store *artifacts.Store
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
	return &parts{store: store}, nil
}

func (p *parts) plugins() []reconcilers.Plugin { return nil }

func (p *parts) close(context.Context) { p.store.Close() }
