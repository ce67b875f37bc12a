package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/fleet"
)

// edgeIndex is how many bytes the index of charts has.
const edgeIndex = 20 << 20

// edge measures the day of a small node, whose daemon is in a memory cgroup with the
// limit and the flags of the overlay for such nodes.
func edge(ctx context.Context, b *bench) error {
	flags, limit, err := fleet.Overlay(ctx, "edge")
	if err != nil {
		return err
	}
	cgroup, err := harness.NewCgroup("fluxd-bench", limit)
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
	err = f.Day(ctx, func(step string, took time.Duration) { b.add(step, report.Seconds(took), noGoal) })
	most := stop()
	if err != nil {
		return err
	}
	u, err := d.Usage()
	if err != nil {
		return err
	}
	b.add(report.Time, report.Seconds(time.Since(began)), noGoal)
	b.add(report.CPU, report.Seconds(u.CPU), noGoal, d.CollectorShare()+" for the garbage collector")
	b.add("most that could not be taken back", report.Bytes(most.Used), report.Most(report.Bytes(48<<20)), report.Bytes(most.Anonymous).String()+" anonymous")
	b.add("of the program, read again for want of room", report.Bytes(most.Reread*int64(os.Getpagesize())), noGoal)
	b.add("killed by the kernel", report.Count(float64(most.Kills)), report.Most(report.Count(0)))
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
