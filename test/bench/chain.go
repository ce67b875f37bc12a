package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

// links is the length of the chain.
const links = 10

// chain measures ten Kustomizations that wait for each other, beyond the time
// that their workloads need to get ready.
func chain(ctx context.Context, b *bench) error {
	files := make(map[string]string)
	for i := range links {
		files[fmt.Sprintf("link-%d/app.yaml", i)] = workload(fmt.Sprintf("link-%d", i))
	}
	url, err := b.repository(ctx, "chain", files)
	if err != nil {
		return err
	}
	manifests := source("chain", url)
	for i := links - 1; i >= 0; i-- {
		extra := "  wait: true\n  timeout: 1m\n"
		if i > 0 {
			extra += fmt.Sprintf("  dependsOn:\n    - name: link-%d\n", i-1)
		}
		manifests += kustomization(fmt.Sprintf("link-%d", i), "chain", fmt.Sprintf("./link-%d", i), extra)
	}
	readiness := make(chan time.Duration, links)
	var watching sync.WaitGroup
	for i := range links {
		watching.Go(func() { readiness <- b.readiness(ctx, fmt.Sprintf("link-%d", i)) })
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	if _, err := b.cluster.Create(ctx, manifests); err != nil {
		return err
	}
	if err := b.all(ctx, links, harness.Ready); err != nil {
		return err
	}
	total := m.took()
	watching.Wait()
	close(readiness)
	var workloads time.Duration
	for d := range readiness {
		workloads += d
	}
	beyond := total - workloads
	c, err := m.end(ctx)
	if err != nil {
		return err
	}
	b.add(report.Time, report.Seconds(total), noGoal)
	b.add("time beyond that of the workloads", report.Seconds(beyond), report.Most(report.Seconds(3*time.Second)))
	c.add(b, 1, usual)
	return nil
}

// readiness returns how long a Deployment takes from being seen to being
// available.
func (b *bench) readiness(ctx context.Context, name string) time.Duration {
	_, err := b.cluster.Wait(ctx, harness.Deployments, namespace, name, func(o *unstructured.Unstructured) bool { return o != nil })
	began := time.Now()
	if err == nil {
		_, _ = b.cluster.Wait(ctx, harness.Deployments, namespace, name, func(o *unstructured.Unstructured) bool {
			status, _, _ := harness.Condition(o, "Available")
			return status == "True"
		})
	}
	return time.Since(began)
}
