package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/fleet"
)

// edgeIndex is how many bytes the index of charts has.
const edgeIndex = 20 << 20

// edge measures the day of a small node, whose daemon is in a memory cgroup with the
// limit and the flags of the overlay for such nodes.
func edge(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	flags, limit, err := fleet.Overlay(ctx, "edge")
	if err != nil {
		return err
	}
	cgroup, err := harness.NewCgroup("fluxd-bench", limit)
	if errors.Is(err, harness.ErrNoCgroup) {
		b.row("edge: a day of 20 Kustomizations and 10 HelmReleases within "+mib(limit), "", "not measured: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	f, err := fleet.Start(ctx, fleet.Options{Cluster: b.cluster, Namespace: namespace, Labels: "{}", Index: edgeIndex})
	if err != nil {
		return errors.Join(err, cgroup.Close())
	}
	b.closers = append(b.closers, f, cgroup)
	d, err := b.confined(ctx, cgroup, flags)
	if err != nil {
		return err
	}
	b.subject = d
	if err := d.Ready(ctx); err != nil {
		return err
	}
	stop := cgroup.Watch()
	began := time.Now()
	err = f.Day(ctx, func(step string, took time.Duration) { b.row("edge: "+step, "", "%s", took.Round(10*time.Millisecond)) })
	most := stop()
	if err != nil {
		return err
	}
	u, err := d.Usage()
	if err != nil {
		return err
	}
	b.row("edge: the day of 20 Kustomizations and 10 HelmReleases within "+mib(limit), "", "%s", time.Since(began).Round(10*time.Millisecond))
	b.row("edge: most that could not be taken back", "48 MiB", "%s, of it %s anonymous", mib(most.Used), mib(most.Anonymous))
	b.row("edge: of the program, read again for want of room", "", "%s", mib(most.Reread*4096))
	b.row("edge: CPU, and the collector's part of it", "", "%s, %s", u.CPU, d.CollectorShare())
	b.row("edge: killed by the kernel", "0", "%d", most.Kills)
	return nil
}

// confined starts the daemon in a cgroup, where it learns its limit by itself.
func (b *bench) confined(ctx context.Context, cgroup *harness.Cgroup, flags []string) (*harness.Daemon, error) {
	if _, err := b.cluster.Kubectl(ctx, "create", "namespace", "flux-system"); err != nil {
		return nil, err
	}
	kubeconfig, err := b.cluster.KubeconfigFor(controlplane.FluxdUser)
	if err != nil {
		return nil, err
	}
	binary, err := harness.Build(ctx, b.dir)
	if err != nil {
		return nil, err
	}
	own := filepath.Join(b.dir, "confined")
	if err := os.Mkdir(own, 0o755); err != nil {
		return nil, err
	}
	if binary, err = harness.Unread(binary, own); err != nil {
		return nil, err
	}
	flags = append(flags, "--cache-dir="+own, "--feature-gates=ExternalArtifact=true")
	return harness.StartIn(cgroup, []string{harness.TraceCollector}, binary, kubeconfig, flags...)
}
