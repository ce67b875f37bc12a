package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

const (
	// namespace is where everything is.
	namespace = "default"
	// patience bounds one scenario.
	patience = 5 * time.Minute
	// pairs is how many sources and Kustomizations install has.
	pairs = 100
)

// install measures 100 Kustomizations of 4 ConfigMaps, each with its own source.
func install(ctx context.Context, b *bench) error {
	return b.install(ctx, "install", fourConfigs)
}

// applications is install with objects that the controllers of Kubernetes act upon
// at the same time and on the same machine.
func applications(ctx context.Context, b *bench) error {
	return b.install(ctx, "applications", fourObjects)
}

func (b *bench) install(ctx context.Context, title string, content func(int) map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
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
	b.compare(title+": 100 Kustomizations of 4 objects from 100 sources, all ready", "a fifth", took.Seconds(), "%s (of it creating them: %s)",
		took.Round(10*time.Millisecond), created.Round(10*time.Millisecond))
	c.rows(b.table, title, "a fifth", "Kustomization and its source", pairs, "16")
	return b.rest(ctx, title)
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
	ready := make(chan error, 1)
	go func() { ready <- b.all(ctx, pairs, harness.Ready) }()
	began := time.Now()
	if err := parallel(pairs, func(i int) error {
		name := fmt.Sprintf("app-%d", i)
		_, err := b.cluster.Create(ctx, source(name, urls[i])+kustomization(name, name, "./app", ""))
		return err
	}); err != nil {
		return 0, err
	}
	created = time.Since(began)
	return created, <-ready
}

// rest measures what is left in memory some time after.
func (b *bench) rest(ctx context.Context, title string) error {
	if err := pause(ctx, 30*time.Second); err != nil {
		return err
	}
	u, err := b.subject.Usage()
	if err != nil {
		return err
	}
	b.compare(title+": resident memory half a minute later", "", float64(u.Resident), "%s, of it %s anonymous", mib(u.Resident), mib(u.Anonymous))
	return nil
}

// noop measures a reconcile by request of all Kustomizations of install, with
// nothing changed.
func noop(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	urls, err := b.repositories(ctx, fourConfigs)
	if err != nil {
		return err
	}
	if _, err := b.createPairs(ctx, urls); err != nil {
		return err
	}
	if _, err := b.requests(ctx); err != nil { // the last of the install
		return err
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	if err := b.force(ctx); err != nil {
		return err
	}
	took := m.took()
	c, err := m.end(ctx)
	if err != nil {
		return err
	}
	b.compare("noop: a forced reconcile of all 100 with nothing changed", "", took.Seconds(), "%s", took.Round(10*time.Millisecond))
	c.rows(b.table, "noop", "", "Kustomization", pairs, "2")
	return nil
}

// force asks for a reconcile of all Kustomizations and waits until that is done.
func (b *bench) force(ctx context.Context) error {
	request := time.Now().Format(time.RFC3339Nano)
	done := make(chan error, 1)
	go func() { done <- b.all(ctx, pairs, harness.Field(request, "status", "lastHandledReconcileAt")) }()
	if err := parallel(pairs, func(i int) error {
		_, err := b.cluster.Patch(ctx, harness.Kustomized, namespace, fmt.Sprintf("app-%d", i), map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: request}},
		})
		return err
	}); err != nil {
		return err
	}
	return <-done
}
