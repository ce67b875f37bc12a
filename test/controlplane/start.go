package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fluxd/fluxd/test/program"
)

// patience is how long a start may take on a slow machine.
const patience = 2 * time.Minute

// Start builds the control plane if need be, starts it, and returns when it is
// of use: the API server is ready, the namespace default has its service
// account, every node is ready, and the users may do what they should. Ctx
// bounds the start only; the control plane runs until [ControlPlane.Stop] or
// until the calling process ends.
func Start(ctx context.Context, o Options) (*ControlPlane, error) {
	o = o.withDefaults()
	binary, err := Build(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for attempt := 1; ; attempt++ {
		c, err := prepare(binary, o)
		if err != nil {
			return nil, fmt.Errorf("prepare the control plane: %w", err)
		}
		err = c.start(ctx)
		if err == nil {
			return c, nil
		}
		_ = c.Stop() // the first error is the one to tell
		// Somebody may have taken a port between our look and the start.
		if !errors.Is(err, program.ErrEnded) || attempt == 3 {
			return nil, fmt.Errorf("start the control plane: %w", err)
		}
	}
}

// StartOrUse returns the cluster that the environment variable KUBECONFIG
// points at, or starts one if it is not set. On a cluster that is not ours,
// the methods that stop and start its parts, and those that read its audit
// log, return an error.
func StartOrUse(ctx context.Context, o Options) (*ControlPlane, error) {
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		return Start(ctx, o)
	}
	for _, file := range filepath.SplitList(path) {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("use the cluster of KUBECONFIG: %s does not exist", file)
		}
	}
	return &ControlPlane{plan: plan{kubeconfig: path}}, nil
}

// prepare writes all files that the processes read.
func prepare(binary string, o Options) (c *ControlPlane, err error) {
	dir, err := os.MkdirTemp("", "fluxd-control-plane-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	ports, err := program.FreePorts(3)
	if err != nil {
		return nil, err
	}
	c = &ControlPlane{
		binary:    binary,
		plan:      plan{dir: dir, etcdPort: ports[0], peerPort: ports[1], httpPort: ports[2], options: o},
		logs:      o.LogDir,
		processes: map[string]*program.Process{},
	}
	if c.logs == "" {
		c.logs = filepath.Join(dir, "logs")
	}
	if err := os.MkdirAll(c.logs, 0o755); err != nil {
		return nil, err
	}
	ca, err := writePKI(dir)
	if err != nil {
		return nil, err
	}
	if c.access, err = newAccess(dir, c.plan.server(), ca, o.Users); err != nil {
		return nil, err
	}
	if c.plan.kubeconfig, err = c.access.kubeconfig(AdminUser); err != nil {
		return nil, err
	}
	c.admin = newClient(c.plan.server(), ca, c.access.tokens[AdminUser])
	return c, os.WriteFile(c.plan.file(fileAuditPolicy), auditPolicy(o.AuditUsers), 0o600)
}

// start runs the processes in the order in which they need each other.
func (c *ControlPlane) start(ctx context.Context) error {
	if err := c.launchAll(etcd, apiServer); err != nil {
		return err
	}
	if err := c.waitFor(ctx, c.apiServerReady); err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	if err := c.launchAll(followers...); err != nil {
		return err
	}
	for _, user := range c.plan.options.Users {
		if err := c.bind(ctx, user); err != nil {
			return fmt.Errorf("bind user %s: %w", user.Name, err)
		}
	}
	if err := c.waitFor(ctx, c.defaultAccountExists); err != nil {
		return fmt.Errorf("wait for the default service account: %w", err)
	}
	if err := c.waitFor(ctx, c.nodesReady); err != nil {
		return fmt.Errorf("wait for the nodes: %w", err)
	}
	return nil
}

func (c *ControlPlane) launchAll(names ...string) error {
	for _, name := range names {
		if err := c.launch(name); err != nil {
			return err
		}
	}
	return nil
}

// waitFor polls until ask is content, and gives up when a process ends.
func (c *ControlPlane) waitFor(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := c.watched(ctx)
	defer cancel()
	return program.Poll(ctx, ask)
}
