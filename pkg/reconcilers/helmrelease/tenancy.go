package helmrelease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// access is a cluster as somebody.
type access struct {
	applier *apply.Applier
	secrets release.Secrets
	// served asks what the cluster serves, and lookup for objects.
	served func(context.Context) (helm.Capabilities, error)
	lookup helm.Lookup
}

// tenancy says who releases for an object, and where.
type tenancy struct {
	connect func(ctx context.Context, owner apply.Owner, id clusters.Identity) (*access, error)
	missing func(ctx context.Context, owner apply.Owner, id clusters.Identity) (bool, error)
	forget  func(owner apply.Owner)
}

func tenancyOf(c *clusters.Clusters) tenancy {
	d := &doors{clusters: c, open: make(map[apply.Owner]door)}
	return tenancy{
		connect: d.connect, missing: c.AccountMissing,
		forget: func(owner apply.Owner) { d.forget(owner); c.Forget(owner) },
	}
}

// doors keep the access of owners for as long as their connections are the same: what is
// remembered of their records counts only for the same access.
type doors struct {
	clusters *clusters.Clusters

	mu   sync.Mutex // guards open
	open map[apply.Owner]door
}

type door struct {
	clients *kube.Clients
	access  *access
}

func (d *doors) connect(ctx context.Context, owner apply.Owner, id clusters.Identity) (*access, error) {
	applier, err := d.clusters.For(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	clients := d.clusters.Clients(owner)
	if clients == nil {
		return nil, errors.New("the connection was closed")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if was, ok := d.open[owner]; ok && was.clients == clients && was.access.applier == applier {
		return was.access, nil
	}
	secrets, err := kube.NewRecords(clients)
	if err != nil {
		return nil, err
	}
	made := &access{applier: applier, secrets: secrets, lookup: clients.Lookup, served: func(ctx context.Context) (helm.Capabilities, error) {
		s, err := clients.Served(ctx)
		return helm.Capabilities{KubeVersion: s.Version, Major: s.Major, Minor: s.Minor, APIVersions: s.APIVersions}, err
	}}
	d.open[owner] = door{clients, made}
	return made, nil
}

func (d *doors) forget(owner apply.Owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, owner)
}

// identity is what spec says about who releases.
func identity(obj *v2.HelmRelease) clusters.Identity {
	return clusters.Identity{Account: obj.Spec.ServiceAccountName, KubeConfig: obj.Spec.KubeConfig}
}

// connectRecheck is how long to wait while another object finds out whether the
// cluster answers.
const connectRecheck = 2 * time.Second

// connect finds out who releases for the object in this pass, and where.
func (p *pass) connect(ctx context.Context) error {
	if p.at != nil {
		return nil
	}
	at, err := p.tenancy.connect(ctx, p.owner(), identity(p.obj))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, clusters.ErrConnecting):
		return fault.Cold(api.ReasonProgressing, err, connectRecheck)
	case err != nil:
		return fault.Backoff(api.ReasonRESTClientError, fmt.Errorf("could not build REST client getter: %w", err))
	}
	p.at = at
	return nil
}

// classified says whether an error says itself what it means.
func classified(err error) bool {
	_, waiting := errors.AsType[*fault.WaitingError](err)
	_, stalled := errors.AsType[*fault.StalledError](err)
	_, failed := errors.AsType[*fault.FailedError](err)
	return waiting || stalled || failed
}

// target is the release of the given name, at where its records are.
func (p *pass) target(name, namespace, storage string) release.Target {
	t := release.Target{
		Owner: p.owner(), Name: name, Namespace: namespace, Storage: storage,
		Applier: p.at.applier, Secrets: p.at.secrets, Health: p.health,
		Tags: tags(p.obj),
	}
	if storage != p.obj.Namespace {
		t.Vouch = p.vouch
	}
	return t
}

// vouch says whether a record is one that the history knows. Who may write Secrets in the
// namespace of the object may act as its account anyway; in another namespace that may be
// somebody who may do much less.
func (p *pass) vouch(o release.Observation) bool {
	return slices.ContainsFunc(p.obj.Status.History, func(s *v2.Snapshot) bool {
		return s.Targets(o.Name, o.Namespace, o.Version) && matches(&o, s)
	})
}

// wantedTarget is the release that the spec asks for.
func (p *pass) wantedTarget() release.Target {
	return p.target(releaseName(p.obj), p.obj.GetReleaseNamespace(), p.obj.GetStorageNamespace())
}

// presentTarget is the release that the status tells of.
func (p *pass) presentTarget() release.Target {
	t := p.target(releaseName(p.obj), p.obj.GetReleaseNamespace(), p.obj.Status.StorageNamespace)
	if last := p.obj.Status.History.Latest(); last != nil {
		t.Name, t.Namespace = last.Name, last.Namespace
	}
	return t
}
