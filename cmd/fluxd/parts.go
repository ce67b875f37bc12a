package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/engine"
	"github.com/fluxd/fluxd/pkg/events"
	cloud "github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/all"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
	"github.com/fluxd/fluxd/pkg/sources/external"
	"github.com/fluxd/fluxd/pkg/sources/git"
	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/transport"
)

// parts are what the plugins are made of.
type parts struct {
	store    *artifacts.Store
	reader   *kube.Reader
	clouds   *cloud.Clouds
	apply    apply.Config
	clusters *clusters.Clusters
	releases *clusters.Clusters // those that Helm releases are made in
	foreign  *external.Fetcher  // nil without the feature gate
	deps     all.Deps
	wake     func(engine.Key, time.Duration) // set before anything runs
}

func newParts(_ context.Context, d *daemon) (*parts, error) {
	o, as := d.options, d.settings
	store, err := artifacts.New(artifacts.Options{
		Budget: int64(o.artifactBudget), CacheDir: o.cacheDir, CacheSize: int64(o.cacheSize),
		Report: func(err error) { d.log.Error(err, "artifact cache") },
	})
	if err != nil {
		d.log.Error(err, "going on without the artifact cache: artifacts are kept in memory only")
	}
	d.server.metrics.Store(func() events.StoreUse {
		s := store.Stats()
		return events.StoreUse{Bytes: s.Used, Budget: s.Budget, Evictions: s.Evictions}
	})
	reader, err := kube.NewReader(d.clients)
	if err != nil {
		return nil, err
	}
	if d.secrets, err = kube.NewSecrets(d.clients, reader, kube.Scope{Namespace: o.scopeNamespace()}); err != nil {
		return nil, err
	}
	p := &parts{store: store, reader: reader, clouds: d.clouds(reader)}
	room := headroom(int64(o.artifactBudget) + int64(o.buildBudget))
	p.apply = apply.Config{
		Manager:     api.ManagerKustomize,
		Labels:      apply.Labels{Name: api.LabelKustomizationName, Namespace: api.LabelKustomizationNamespace},
		MarkPrefix:  api.KustomizeGroup,
		Concurrency: as.kustomize.concurrent * as.kustomize.concurrentSSA, OverrideManagers: as.kustomize.overrideManagers,
		StageKinds: as.kustomize.stages(), MigrateAPIVersion: as.kustomize.gates["MigrateAPIVersion"],
		Wake: p.wakes(api.KustomizationGVK.GroupKind()),
	}
	p.clusters = d.tenancy(as.kustomize, api.KustomizationKind, reader, p.clouds, p.apply)
	releasing := release.ApplyConfig()
	releasing.Concurrency, releasing.OverrideManagers = as.helm.concurrent*as.helm.concurrentSSA, as.helm.overrideManagers
	releasing.Wake = p.wakes(api.HelmReleaseGVK.GroupKind())
	p.releases = d.tenancy(as.helm, api.HelmReleaseKind, reader, p.clouds, releasing)
	builds := render.NewCache(int64(o.buildBudget), nil)
	measure(d.server.metrics, builds, p.clusters, p.releases)
	limits := artifacts.Limits{Bytes: int64(o.sourceMax)}
	sources := attempt.Config{
		Store: store, Secrets: reader, Known: d.known(), Clouds: p.clouds, DefaultAccount: as.sources.cloudAccount(), Hosts: transport.NewHosts(), Received: d.received,
		BaseURL: baseURL(o.storageAddr), Limits: limits, Headroom: room,
	}
	p.foreign = d.foreign(sources)
	p.deps = all.Deps{
		Sources: sources, Externals: p.foreign,
		Public: public(o, sources.Hosts), Accounts: reader,
		Cache: d.cache, Bus: d.bus, Clusters: p.clusters, HelmClusters: p.releases, Builds: builds, Configs: reader, Tokens: reader,
		Builder: kustomize.New(kustomize.Config{
			NoRemoteBases: as.kustomize.noRemoteBases, Limits: kustomize.Limits{Memory: spare()},
			Repositories: &git.Bases{Store: store, Limits: limits, Headroom: room},
		}),
		Releaser: as.helm.releaser(), Declarer: apply.Declarer{Client: d.clients.Dynamic, Manager: api.ManagerHelm},
		Sourcing: as.sources.pace(), Kustomizing: as.kustomize.pace(), Releasing: as.helm.pace(),
		Git:         all.Git{KeyExchanges: as.sources.kexAlgos, HostKeyAlgorithms: as.sources.hostKeyAlgos},
		Bucket:      all.Bucket{GoogleEndpoint: googleEndpoint(os.Getenv("STORAGE_EMULATOR_HOST"))},
		HelmRelease: as.helm.helmRelease(),
		Helm: all.Helm{
			IndexBytes: int64(as.sources.indexMax), ChartBytes: int64(as.sources.chartMax), FileBytes: int64(as.sources.chartFileMax),
		},
		Kustomize: as.kustomize.kustomization(),
	}
	return p, nil
}

// pace returns how much work of a kind is done at once.
func (o *options) pace() all.Pace {
	return all.Pace{Workers: o.concurrent, RequeueDependency: o.requeueDependency}
}

// kustomization returns the settings of Kustomizations.
func (o *options) kustomization() all.Kustomize {
	return all.Kustomize{
		NoCrossNamespaceRefs: o.noCrossNamespace, FullResync: o.fullResync,
		SlowFail:            o.gates["DisableFailFastBehavior"],
		PruneBudget:         o.budget(),
		Namespace:           o.namespace,
		AdditiveReadyExpr:   o.gates["AdditiveCELDependencyCheck"],
		StrictSubstitution:  o.gates.on("StrictPostBuildSubstitutions"),
		AgeSecret:           o.ageSecret,
		VaultConfigMap:      o.vaultConfigMap,
		ObjectLevelIdentity: o.gates["ObjectLevelWorkloadIdentity"], DecryptionAccount: o.decryptionAccount,
	}
}

// known returns the Secrets that are kept while nothing changes, nil where no change is
// told of.
func (d *daemon) known() attempt.Secrets {
	if d.options.gates["DisableConfigWatchers"] {
		return nil
	}
	return d.secrets
}

// googleEndpoint returns the URL of an emulator of Google Cloud Storage, by the variable
// that Google's own libraries heed: a host or a URL.
func googleEndpoint(emulator string) string {
	if emulator == "" || strings.Contains(emulator, "://") {
		return emulator
	}
	return "http://" + emulator
}

// public returns who knows what is trusted of the public Sigstore instance. What it
// learns is kept where cosign would keep it, or else with what else is kept.
func public(o *options, hosts *transport.Hosts) *signature.Public {
	dir := os.Getenv("TUF_ROOT")
	if dir == "" && o.cacheDir != "" {
		dir = filepath.Join(o.cacheDir, "sigstore")
	}
	return signature.NewPublic(signature.PublicOptions{Transport: hosts.Transport(transport.Options{}), Dir: dir})
}

// foreign returns what fetches the artifacts of others, nil without the feature
// gate for them.
func (d *daemon) foreign(c attempt.Config) *external.Fetcher {
	if !d.options.gates["ExternalArtifact"] {
		return nil
	}
	return external.New(external.Config{
		Store: c.Store, Hosts: c.Hosts, Limits: c.Limits, Headroom: c.Headroom,
		Retries: d.options.httpRetry, Host: os.Getenv("SOURCE_CONTROLLER_LOCALHOST"),
		Wake: func(owner artifacts.Owner) {
			d.engine.WakeDependents(reconcilers.NewRef(api.ExternalArtifactGVK.GroupKind(), owner.Namespace, owner.Name))
		},
		Warn: func(owner artifacts.Owner, warnings []artifacts.Warning) {
			d.log.Info("parts of an artifact are left out", "object", owner.String(), "first", warnings[0].String(), "count", len(warnings))
		},
	})
}

// received counts the bytes that came for a source.
func (d *daemon) received(owner artifacts.Owner, bytes int64) {
	d.server.metrics.Received(owner.Kind, owner.Namespace, owner.Name, bytes)
}

// wakes returns what wakes the owners of a kind.
func (p *parts) wakes(kind schema.GroupKind) func(apply.Owner, time.Duration) {
	return func(owner apply.Owner, after time.Duration) {
		p.wake(reconcilers.NewRef(kind, owner.Namespace, owner.Name), after)
	}
}

// measure adds the metrics of builds and of what is applied.
func measure(m *events.Metrics, builds *render.Cache, applied, released *clusters.Clusters) {
	m.Counter("fluxd_builds_total", "Builds that were run.",
		func() float64 { return float64(builds.Stats().Misses) })
	m.Counter("fluxd_builds_saved_total", "Builds that were not run because they would have seen nothing new.",
		func() float64 { return float64(builds.Stats().Hits) })
	m.Gauge("fluxd_build_bytes", "Memory that remembered builds take, in bytes.",
		func() float64 { return float64(builds.Stats().Used) })
	m.Gauge("fluxd_remote_clusters", "Other clusters that objects are applied to.",
		func() float64 { return float64(applied.Stats().Clusters + released.Stats().Clusters) })
	m.ManagedObjects(func() int { return applied.Stats().Records + released.Stats().Records })
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

func (p *parts) close(context.Context) {
	p.clusters.Close()
	p.releases.Close()
	if p.foreign != nil {
		p.foreign.Close()
	}
	p.store.Close()
}
