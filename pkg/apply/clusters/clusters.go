package clusters

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/kube"
)

// ErrConnecting says that somebody else is finding out whether a cluster answers. It
// takes seconds.
var ErrConnecting = kube.ErrContacting

// Identity is what a spec says about who applies its objects.
type Identity struct {
	// Account is spec.serviceAccountName.
	Account string
	// KubeConfig is spec.kubeConfig; nil means this cluster.
	KubeConfig *api.KubeConfigReference
}

// Reader reads what leads to clusters, and knows the service accounts of this one.
// [kube.Reader] is one.
type Reader interface {
	Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error)
	ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error)
	ServiceAccount(ctx context.Context, namespace, name string) (annotations map[string]string, found bool, err error)
	ServiceAccountToken(ctx context.Context, namespace, name string, audiences []string) (string, error)
}

// Config is what [Clusters] are made of.
type Config struct {
	// Apply is that of the applier of every cluster; Dynamic and Mapper are set for each,
	// and NoWatch for all but this one.
	Apply apply.Config
	// Local are the connections to this cluster.
	Local  *kube.Clients
	Reader Reader
	// Clouds get tokens for clusters of clouds; nil means none.
	Clouds *identity.Clouds
	// Kind is that of the owners, for counters.
	Kind string
	// DefaultAccount is the service account of owners that name none. Empty lets them
	// act as the process.
	DefaultAccount string
	// DefaultKubeconfigAccount is that of ConfigMaps with a kubeconfig that name none.
	DefaultKubeconfigAccount string
	// ObjectLevel allows tokens of service accounts.
	ObjectLevel bool
	// InsecureTLS honours insecure-skip-tls-verify.
	InsecureTLS bool
	UserAgent   string
	// Size bounds the number of other clusters; zero means 64.
	Size int
}

// Clusters hands out appliers. It is safe for concurrent use by passes over different
// owners.
type Clusters struct {
	cfg    Config
	scheme *runtime.Scheme
	local  *cluster
	tokens *tokens
	asked  *asked

	mu      sync.Mutex // guards the fields below and those of clusters
	clock   uint64     // ticks with every use
	remotes map[string]*cluster
	places  map[apply.Owner]place
	wants   map[apply.Owner]*cluster // where an owner leads
}

// place is where an owner applied last, and as whom.
type place struct {
	*cluster
	user string
}

// New returns clusters with this one only. [Clusters.Close] ends its watches.
func New(cfg Config) *Clusters {
	cfg.Size = cmp.Or(cfg.Size, 64)
	local := cfg.Apply
	local.Dynamic, local.Mapper = cfg.Local.Dynamic, cfg.Local.Mapper
	return &Clusters{
		cfg: cfg, scheme: runtime.NewScheme(), tokens: newTokens(cfg.Reader), asked: newAsked(),
		local:   &cluster{clients: cfg.Local, applier: apply.New(local), guests: map[string]*guest{}},
		remotes: map[string]*cluster{}, places: map[apply.Owner]place{}, wants: map[apply.Owner]*cluster{},
	}
}

// For returns who applies for owner from now on. It fails if the cluster cannot be
// found or does not answer; the error names no secret. With another cluster or
// identity than before, what is remembered of owner there is dropped.
func (c *Clusters) For(ctx context.Context, owner apply.Owner, id Identity) (*apply.Applier, error) {
	user, err := c.user(owner, id)
	if err != nil {
		return nil, err
	}
	if id.KubeConfig == nil {
		c.want(owner, c.local)
		return c.enter(owner, c.local, user)
	}
	route, err := c.route(ctx, owner, *id.KubeConfig)
	if err != nil {
		return nil, err
	}
	to, err := c.remote(route)
	if err != nil {
		return nil, err
	}
	c.want(owner, to)
	if err := to.remote.Contact(ctx); err != nil {
		return nil, err
	}
	return c.enter(owner, to, user)
}

// Clients returns the connections that the applier of owner writes through, or nil if
// it has none. They are the same value for as long as owner acts as the same identity
// on the same cluster.
func (c *Clusters) Clients(owner apply.Owner) *kube.Clients {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.places[owner]
	if !known {
		return nil
	}
	return at.guests[at.user].clients
}

// user returns whom owner acts as; empty is the process itself.
func (c *Clusters) user(owner apply.Owner, id Identity) (string, error) {
	account := cmp.Or(id.Account, c.cfg.DefaultAccount)
	if account == "" {
		return "", nil
	}
	user, err := kube.AccountUser(owner.Namespace, account)
	if err != nil {
		return "", fmt.Errorf("spec.serviceAccountName: %w", err)
	}
	return user, nil
}

// AccountMissing says whether owner acts as a service account that this cluster does
// not have, and its name. That is what counts for other clusters, too.
func (c *Clusters) AccountMissing(ctx context.Context, owner apply.Owner, id Identity) (bool, error) {
	account := cmp.Or(id.Account, c.cfg.DefaultAccount)
	if account == "" {
		return false, nil
	}
	_, found, err := c.cfg.Reader.ServiceAccount(ctx, owner.Namespace, account)
	if err != nil {
		return false, fmt.Errorf("look for the service account %s/%s: %w", owner.Namespace, account, err)
	}
	return !found, nil
}

// enter notes that owner applies to a cluster as user, and lets go of where it was.
func (c *Clusters) enter(owner apply.Owner, to *cluster, user string) (*apply.Applier, error) {
	c.mu.Lock()
	was, known := c.places[owner]
	now := place{to, user}
	if known && was == now {
		applier := to.as(user)
		c.mu.Unlock()
		return applier, nil
	}
	applier, err := to.admit(user)
	if err == nil {
		c.places[owner] = now
	}
	c.mu.Unlock()
	if known && err == nil {
		c.leave(owner, was)
	}
	return applier, err
}

// leave takes owner out of a place, where all that is remembered of it goes: neither
// another cluster nor another identity has a use for it, and watches that were opened
// as somebody must not go on for somebody else.
func (c *Clusters) leave(owner apply.Owner, was place) {
	was.applier.Forget(owner)
	c.mu.Lock()
	was.dismiss(was.user)
	unused := c.unused(was.cluster)
	c.mu.Unlock()
	unused.close()
}

// want notes where owner leads; nil is nowhere.
func (c *Clusters) want(owner apply.Owner, to *cluster) {
	c.mu.Lock()
	was := c.wants[owner]
	if was == to {
		c.mu.Unlock()
		return
	}
	delete(c.wants, owner)
	if to != nil {
		c.wants[owner] = to
		to.wanted++
	}
	var unused *cluster
	if was != nil {
		was.wanted--
		unused = c.unused(was)
	}
	c.mu.Unlock()
	unused.close()
}

// unused takes out a cluster that nobody has to do with any more and returns it, or
// nil. mu is held.
func (c *Clusters) unused(one *cluster) *cluster {
	if one == c.local || !one.idle() || c.remotes[one.key] != one {
		return nil
	}
	delete(c.remotes, one.key)
	return one
}

// Forget drops everything that is remembered of owner.
func (c *Clusters) Forget(owner apply.Owner) {
	c.mu.Lock()
	was, known := c.places[owner]
	delete(c.places, owner)
	c.mu.Unlock()
	if known {
		c.leave(owner, was)
	}
	c.want(owner, nil)
}

// Stats are figures for metrics.
type Stats struct {
	apply.Stats
	// Clusters is how many other clusters there are.
	Clusters int
}

// Stats returns what is kept at the moment, of all clusters.
func (c *Clusters) Stats() Stats {
	c.mu.Lock()
	appliers := []*apply.Applier{c.local.applier}
	for _, r := range c.remotes {
		appliers = append(appliers, r.applier)
	}
	c.mu.Unlock()
	s := Stats{Clusters: len(appliers) - 1}
	for _, a := range appliers {
		one := a.Stats()
		s.Watches, s.Blind, s.Records = s.Watches+one.Watches, s.Blind+one.Blind, s.Records+one.Records
	}
	return s
}

// Close ends all watches and closes all connections to other clusters.
func (c *Clusters) Close() {
	c.mu.Lock()
	all := []*cluster{c.local}
	for _, r := range c.remotes {
		all = append(all, r)
	}
	clear(c.remotes)
	clear(c.places)
	clear(c.wants)
	c.mu.Unlock()
	for _, one := range all {
		one.close()
	}
}
