package controlplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/fluxd/fluxd/test/program"
)

// ControlPlane is a running Kubernetes control plane, or, from [StartOrUse],
// a cluster that somebody else runs. Its methods may be called from many
// goroutines.
type ControlPlane struct {
	plan   plan
	binary string  // empty for a cluster that is not ours
	access *access // nil for a cluster that is not ours
	admin  *client
	logs   string

	mu        sync.Mutex                  // guards the fields below
	processes map[string]*program.Process // those that should be running
	mark      AuditMark
}

// errForeign is what the methods that need our own processes return when there
// are none.
var errForeign = errors.New("the cluster is not ours: KUBECONFIG is set")

// Kubeconfig is the path of a kubeconfig with the admin's rights.
func (c *ControlPlane) Kubeconfig() string { return c.plan.kubeconfig }

// KubeconfigFor writes a kubeconfig of a user and returns its path. The user
// must be admin, fluxd, or one of [Options.Users]. On a cluster that is not
// ours, admin and fluxd are both whoever KUBECONFIG is.
func (c *ControlPlane) KubeconfigFor(user string) (string, error) {
	if c.access != nil {
		return c.access.kubeconfig(user)
	}
	if user == AdminUser || user == FluxdUser {
		return c.plan.kubeconfig, nil
	}
	return "", fmt.Errorf("log in as %s: %w", user, errForeign)
}

// Logs is the directory with a log file per process, empty on a cluster that
// is not ours.
func (c *ControlPlane) Logs() string { return c.logs }

// PIDs are the running processes by name, for those who measure them.
func (c *ControlPlane) PIDs() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	pids := map[string]int{}
	for name, p := range c.processes {
		pids[name] = p.PID()
	}
	return pids
}

// Stop ends every process at once and removes what they wrote. It may be
// called again. On a cluster that is not ours it does nothing.
func (c *ControlPlane) Stop() error {
	if c.binary == "" {
		return nil
	}
	c.mu.Lock()
	running := maps.Clone(c.processes)
	clear(c.processes)
	c.mu.Unlock()
	var killed sync.WaitGroup
	for _, p := range running {
		killed.Go(p.Kill)
	}
	killed.Wait()
	c.admin.close()
	if err := os.RemoveAll(c.plan.dir); err != nil {
		return fmt.Errorf("remove the control plane's files: %w", err)
	}
	return nil
}

// launch starts one process of the control plane.
func (c *ControlPlane) launch(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.processes[name] != nil {
		return fmt.Errorf("start %s: it is running", name)
	}
	p, err := program.Launch(c.binary, name, c.plan.flags(name), c.plan.dir, c.logs)
	if err != nil {
		return err
	}
	c.processes[name] = p
	return nil
}

// end takes one process out of the control plane: killed when grace is zero.
func (c *ControlPlane) end(name string, grace time.Duration) error {
	if c.binary == "" {
		return fmt.Errorf("stop %s: %w", name, errForeign)
	}
	c.mu.Lock()
	p := c.processes[name]
	delete(c.processes, name)
	c.mu.Unlock()
	if p == nil {
		return fmt.Errorf("stop %s: it is not running", name)
	}
	if grace == 0 {
		p.Kill()
	} else {
		p.Stop(grace)
	}
	return nil
}

// watched returns a context that ends when one of the processes does, with
// that as its cause.
func (c *ControlPlane) watched(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.processes {
		go func() {
			select {
			case <-ctx.Done():
			case <-p.Done():
				cancel(p.Ended())
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}
