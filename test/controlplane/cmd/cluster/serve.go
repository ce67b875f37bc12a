package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fluxd/fluxd/test/controlplane"
)

// serve runs the cluster in this process until ctx ends.
func serve(ctx context.Context, s state, nodes int) error {
	held, err := s.lock()
	if err != nil {
		return err
	}
	defer held.Close()
	for _, old := range []string{s.recordPath(), s.kubeconfig(), s.logs()} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	c, err := controlplane.Start(ctx, controlplane.Options{Nodes: nodes, LogDir: s.logs()})
	if err != nil {
		return err
	}
	defer c.Stop()
	if err := publish(ctx, s, c); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	<-ctx.Done()
	return os.Remove(s.recordPath())
}

// publish leaves in the state directory what others need to use c. The record
// comes last: it is what they wait for.
func publish(ctx context.Context, s state, c *controlplane.ControlPlane) error {
	config, err := os.ReadFile(c.Kubeconfig())
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.kubeconfig(), config, 0o600); err != nil {
		return err
	}
	binary, err := controlplane.Build(ctx, nil)
	if err != nil {
		return err
	}
	// Called by this name the program is kubectl.
	link := filepath.Join(s.dir, "bin", "kubectl")
	if err := os.RemoveAll(link); err != nil {
		return err
	}
	if err := os.Symlink(binary, link); err != nil {
		return err
	}
	return s.write(record{PID: os.Getpid(), PIDs: c.PIDs(), Since: time.Now()})
}
