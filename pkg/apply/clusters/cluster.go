package clusters

import (
	"net"
	"time"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/transport"
)

// cluster is one with its applier. The fields below guests are guarded by the lock
// of [Clusters], as is guests.
type cluster struct {
	key     string
	clients *kube.Clients
	remote  *kube.Remote // nil for this cluster
	applier *apply.Applier

	guests map[string]*guest // by user name; the empty one is the process itself
	wanted int               // how many owners lead here, whether or not it answers
	used   uint64            // when it was last asked for
}

// guest is an identity, and how many owners act as it.
type guest struct {
	applier *apply.Applier
	clients *kube.Clients
	owners  int
}

// as returns the applier of a user who was admitted.
func (c *cluster) as(user string) *apply.Applier { return c.guests[user].applier }

// admit counts an owner more who acts as user.
func (c *cluster) admit(user string) (*apply.Applier, error) {
	g := c.guests[user]
	if g == nil {
		g = &guest{applier: c.applier, clients: c.clients}
		if user != "" {
			clients, err := c.clients.As(user)
			if err != nil {
				return nil, err
			}
			g.applier, g.clients = c.applier.As(user, clients.Dynamic), clients
		}
		c.guests[user] = g
	}
	g.owners++
	return g.applier, nil
}

// dismiss counts an owner less who acts as user.
func (c *cluster) dismiss(user string) {
	g := c.guests[user]
	g.owners--
	if g.owners == 0 {
		delete(c.guests, user)
	}
}

// idle says that no owner has to do with the cluster.
func (c *cluster) idle() bool { return len(c.guests) == 0 && c.wanted == 0 }

// close ends the watches and the connections; nil is none.
func (c *cluster) close() {
	if c == nil {
		return
	}
	c.applier.Close()
	if c.remote != nil {
		c.remote.Close()
	}
}

// remoteSlots is how many requests to another cluster may be under way.
const remoteSlots = 8

// remote returns the cluster at the end of a route, which need not answer.
func (c *Clusters) remote(r route) (*cluster, error) {
	c.mu.Lock()
	found := c.touch(r.key)
	c.mu.Unlock()
	if found != nil {
		return found, nil
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: transport.Guard}
	remote, err := kube.NewRemote(r.config, kube.RemoteOptions{
		Scheme: c.scheme, UserAgent: c.cfg.UserAgent, Dial: dialer.DialContext, Token: r.token,
	})
	if err != nil {
		return nil, err
	}
	cfg := c.cfg.Apply
	cfg.Dynamic, cfg.Mapper, cfg.NoWatch, cfg.Concurrency = remote.Dynamic, remote.Mapper, true, remoteSlots
	made := &cluster{
		key: r.key, clients: remote.Clients, remote: remote, applier: apply.New(cfg), guests: map[string]*guest{},
	}
	c.mu.Lock()
	spare := made
	if found = c.touch(r.key); found == nil {
		c.remotes[r.key] = made
		found, spare = c.touch(r.key), c.crowded()
	}
	c.mu.Unlock()
	spare.close()
	return found, nil
}

// touch returns a cluster that there is, and notes its use. mu is held.
func (c *Clusters) touch(key string) *cluster {
	found := c.remotes[key]
	if found != nil {
		c.clock++
		found.used = c.clock
	}
	return found
}

// crowded takes out the cluster that was used least recently if there are too many.
// A pass that uses it right now goes on. mu is held.
func (c *Clusters) crowded() *cluster {
	if len(c.remotes) <= c.cfg.Size {
		return nil
	}
	var oldest *cluster
	for _, one := range c.remotes {
		if oldest == nil || one.used < oldest.used {
			oldest = one
		}
	}
	delete(c.remotes, oldest.key)
	return oldest
}
