package main

import (
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/explain"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/preview"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/all"
	"github.com/fluxd/fluxd/pkg/render"
)

// previews returns what makes previews, of the same parts as the daemon.
func (d *daemon) previews() (*preview.Previews, error) {
	live, err := kube.NewLive(d.clients, api.Resources())
	if err != nil {
		return nil, err
	}
	cfg := preview.Config{
		Live: live, Configs: d.parts.deps.Configs, Plugins: d.previewPlugins,
		Stored: d.parts.store, Limits: d.parts.deps.Sources.Limits, Budget: int64(d.options.artifactBudget),
	}
	if d.parts.foreign != nil {
		cfg.Externals = d.parts.foreign
	}
	return preview.New(cfg), nil
}

// previewPlugins returns plugins that work in a world of their own. What they share
// with those of the daemon are credentials, limits and what is known of hosts.
func (d *daemon) previewPlugins(w preview.World) (plugins []reconcilers.Plugin, free func()) {
	deps := d.parts.deps
	deps.Sources.Store, deps.Sources.Secrets, deps.Sources.Known = w.Store, w.Configs, nil
	deps.Cache, deps.Configs = w.Objects, w.Configs
	deps.Builds, deps.Bus = render.NewCache(int64(d.options.buildBudget), nil), &events.Bus{}
	applied := d.parts.apply
	applied.NoWatch = true // it looks once
	applied.Wake = func(apply.Owner, time.Duration) {}
	deps.Clusters = d.tenancy(d.settings.kustomize, api.KustomizationKind, d.parts.reader, d.parts.clouds, applied)
	released := release.ApplyConfig()
	released.NoWatch, released.Wake, released.Concurrency = true, applied.Wake, applied.Concurrency
	deps.HelmClusters, deps.Releaser = d.tenancy(d.settings.helm, api.HelmReleaseKind, d.parts.reader, d.parts.clouds, released), d.settings.helm.releaser()
	return all.Plugins(deps), func() {
		deps.Clusters.Close()
		deps.HelmClusters.Close()
		d.server.thrift.worked()
	}
}

// openAPI serves what callers may ask for, if an address is given.
func (d *daemon) openAPI() error {
	if d.options.apiAddr == "" {
		return nil
	}
	reviewer, err := kube.NewReviewer(d.clients)
	if err != nil {
		return err
	}
	previews, err := d.previews()
	if err != nil {
		return err
	}
	d.server.api.Handle(preview.Path, preview.NewHandler(previews))
	d.server.api.Handle(explain.URLPath, d.explanations())
	return d.server.listen("--api-addr", d.options.apiAddr, door.New(door.Config{Reviewer: reviewer}).Wrap(d.server.api))
}
