package controlplane

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// grace is how long a process gets to end in good order.
const grace = 15 * time.Second

// RestartAPIServer ends the API server in good order and starts it again, at
// the same address with the same data. It returns when it is ready.
func (c *ControlPlane) RestartAPIServer(ctx context.Context) error {
	if err := c.end(apiServer, grace); err != nil {
		return err
	}
	return c.StartAPIServer(ctx)
}

// KillAPIServer ends the API server without a warning, as a crash would.
func (c *ControlPlane) KillAPIServer() error { return c.end(apiServer, 0) }

// StartAPIServer starts an API server that was killed and returns when it is
// ready. The controllers and the nodes are started anew: left to themselves
// they would be back only after a pause of up to half a minute, and a test is
// not about them.
func (c *ControlPlane) StartAPIServer(ctx context.Context) error {
	if c.binary == "" {
		return fmt.Errorf("start %s: %w", apiServer, errForeign)
	}
	c.admin.close() // connections to the one before
	if err := c.launch(apiServer); err != nil {
		return err
	}
	if err := c.waitFor(ctx, c.apiServerReady); err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	for _, name := range followers {
		if err := c.end(name, 0); err != nil {
			return err
		}
	}
	return c.launchAll(followers...)
}

// StopEtcd takes the API server's storage away, without a warning. The API
// server stays, and fails all that does not come from its caches.
func (c *ControlPlane) StopEtcd() error { return c.end(etcd, 0) }

// StartEtcd gives the API server its storage back, with the data it had, and
// returns when it answers.
func (c *ControlPlane) StartEtcd(ctx context.Context) error {
	if c.binary == "" {
		return fmt.Errorf("start %s: %w", etcd, errForeign)
	}
	if err := c.launch(etcd); err != nil {
		return err
	}
	if err := c.waitFor(ctx, c.etcdReady); err != nil {
		return fmt.Errorf("wait for etcd: %w", err)
	}
	return nil
}

// Snapshot is what etcd held at some time.
type Snapshot struct{ dir string }

// SaveEtcd keeps what etcd holds for RestoreEtcd. Etcd is away for the time that this
// takes.
func (c *ControlPlane) SaveEtcd(ctx context.Context) (Snapshot, error) {
	if err := c.end(etcd, grace); err != nil {
		return Snapshot{}, err
	}
	dir, err := os.MkdirTemp(c.plan.dir, "snapshot-")
	if err == nil {
		err = os.CopyFS(filepath.Join(dir, "etcd"), os.DirFS(c.plan.etcdDir()))
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("save what etcd holds: %w", err)
	}
	return Snapshot{dir}, c.StartEtcd(ctx)
}

// RestoreEtcd ends the API server and etcd and starts them, and whoever is a client of
// theirs, with what etcd held when s was saved, and with the versions of that time. It
// returns when the API server is ready.
func (c *ControlPlane) RestoreEtcd(ctx context.Context, s Snapshot) error {
	for _, name := range []string{apiServer, etcd} {
		if err := c.end(name, 0); err != nil {
			return err
		}
	}
	err := os.RemoveAll(c.plan.etcdDir())
	if err == nil {
		err = os.CopyFS(c.plan.etcdDir(), os.DirFS(filepath.Join(s.dir, "etcd")))
	}
	if err != nil {
		return fmt.Errorf("restore what etcd held: %w", err)
	}
	if err := c.StartEtcd(ctx); err != nil {
		return err
	}
	return c.StartAPIServer(ctx)
}

func (c *ControlPlane) etcdReady(ctx context.Context) error {
	return newClient(c.plan.etcdURL(), nil, "").do(ctx, http.MethodGet, "/health", nil, nil)
}
