package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

const (
	// namespace is where everything is.
	namespace = "default"
	// pairs is how many sources and Kustomizations install has.
	pairs = 100
)

// install measures 100 Kustomizations of 4 ConfigMaps, each with its own source.
func install(ctx context.Context, b *bench) error { return b.install(ctx, fourConfigs) }

// applications is install with objects that the controllers of Kubernetes act upon
// at the same time and on the same machine.
func applications(ctx context.Context, b *bench) error { return b.install(ctx, fourObjects) }

func (b *bench) install(ctx context.Context, content func(int) map[string]string) error {
	urls, err := b.repositories(ctx, content)
	if err != nil {
		return err
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	created, err := b.createPairs(ctx, urls)
	if err != nil {
		return err
	}
	took := m.took()
	c, err := m.end(ctx)
	if err != nil {
		return err
	}
	b.add(report.Time, report.Seconds(took), report.Part(5), "creating them: "+report.Seconds(created).String())
	c.add(b, 1, usual)
	b.add("API requests for each pair", report.Count(float64(c.Total())/pairs), report.Most(report.Count(16)))
	return b.rest(ctx)
}

// repositories makes a repository for each pair.
func (b *bench) repositories(ctx context.Context, content func(int) map[string]string) ([]string, error) {
	urls := make([]string, pairs)
	return urls, parallel(pairs, func(i int) (err error) {
		urls[i], err = b.repository(ctx, fmt.Sprintf("app-%d", i), content(i))
		return err
	})
}

// createPairs creates all pairs, waits until they are ready, and returns how long the
// first of that took.
func (b *bench) createPairs(ctx context.Context, urls []string) (created time.Duration, err error) {
	began := time.Now()
	err = b.afterwards(ctx, func() error {
		err := parallel(pairs, func(i int) error {
			name := fmt.Sprintf("app-%d", i)
			_, err := b.cluster.Create(ctx, source(name, urls[i])+kustomization(name, name, "./app", ""))
			return err
		})
		created = time.Since(began)
		return err
	}, harness.Kustomized, pairs, harness.Ready)
	return created, err
}

// rest measures what is left in memory half a minute after.
func (b *bench) rest(ctx context.Context) error {
	u, err := b.settled(ctx)
	if err != nil {
		return err
	}
	b.add("memory half a minute later", report.Bytes(u.Resident), usual.memory)
	b.add("of it anonymous", report.Bytes(u.Anonymous), noGoal)
	return nil
}

// noop measures a reconcile by request of all Kustomizations of install, with
// nothing changed.
func noop(ctx context.Context, b *bench) error {
	c, err := b.timed(ctx, func() error { return b.force(ctx, harness.Kustomized, pairs) }, report.Goal{})
	if err != nil {
		return err
	}
	c.add(b, 1, usual)
	b.add("API requests for each", report.Count(float64(c.Total())/pairs), report.Most(report.Count(2)))
	return nil
}

// timed measures how long what it is given takes, and what it costs.
func (b *bench) timed(ctx context.Context, do func() error, goal report.Goal) (cost, error) {
	if _, err := b.rested(ctx, calm, restless); err != nil { // the last of what was before
		return cost{}, err
	}
	m, err := b.measure()
	if err != nil {
		return cost{}, err
	}
	if err := do(); err != nil {
		return cost{}, err
	}
	b.add(report.Time, report.Seconds(m.took()), goal)
	return m.end(ctx)
}

// force asks for a reconcile of n objects of a kind, named app-0 and so on, and waits
// until all have answered.
func (b *bench) force(ctx context.Context, gvr schema.GroupVersionResource, n int) error {
	request := time.Now().Format(time.RFC3339Nano)
	return b.afterwards(ctx, func() error { return b.ask(ctx, gvr, n, request) },
		gvr, n, harness.Field(request, "status", "lastHandledReconcileAt"))
}

// ask asks for a reconcile of n objects.
func (b *bench) ask(ctx context.Context, gvr schema.GroupVersionResource, n int, request string) error {
	return parallel(n, func(i int) error {
		_, err := b.cluster.Patch(ctx, gvr, namespace, fmt.Sprintf("app-%d", i), map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: request}},
		})
		return err
	})
}
