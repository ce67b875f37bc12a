package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// namespace is where everything is.
const namespace = "default"

// patience bounds one scenario.
const patience = 5 * time.Minute

// idle measures a daemon that has nothing to do.
func idle(ctx context.Context, b *bench) error {
	if err := pause(ctx, 20*time.Second); err != nil {
		return err
	}
	u, err := b.subject.Usage()
	if err != nil {
		return err
	}
	b.row("idle: resident memory", "50 MiB", "%s", mib(u.Resident))
	b.row("idle: of it anonymous", "16 MiB", "%s", mib(u.Anonymous))
	return nil
}

// yardstick measures 400 bare server-side applies from this process.
func yardstick(ctx context.Context, b *bench) error {
	began := time.Now()
	err := parallel(400, func(i int) error {
		obj := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": fmt.Sprintf("bare-%d", i), "namespace": namespace},
			"data":     map[string]any{"a": "1"},
		}}
		_, err := b.cluster.Dynamic.Resource(harness.ConfigMaps).Namespace(namespace).
			Apply(ctx, obj.GetName(), obj, metav1.ApplyOptions{FieldManager: "bench", Force: true})
		return err
	})
	b.row("yardstick: 400 bare server-side applies", "", "%s", time.Since(began).Round(10*time.Millisecond))
	return err
}

// pairs is how many sources and Kustomizations install has.
const pairs = 100

// install measures 100 Kustomizations of 4 ConfigMaps, each with its own source,
// and a forced reconcile of all of them.
func install(ctx context.Context, b *bench) error {
	if err := b.install(ctx, "install", fourConfigs); err != nil {
		return err
	}
	return b.forced(ctx)
}

// applications is install with objects that the controllers of Kubernetes act upon
// at the same time and on the same machine.
func applications(ctx context.Context, b *bench) error {
	return b.install(ctx, "applications", fourObjects)
}

func (b *bench) install(ctx context.Context, title string, content func(int) map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	urls := make([]string, pairs)
	if err := parallel(pairs, func(i int) (err error) {
		urls[i], err = b.repository(ctx, fmt.Sprintf("app-%d", i), content(i))
		return err
	}); err != nil {
		return err
	}
	before, err := b.subject.Usage()
	if err != nil {
		return err
	}
	if _, err := b.cluster.MarkAudit(); err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() { ready <- b.all(ctx, pairs, harness.Ready) }()
	began := time.Now()
	if err := parallel(pairs, func(i int) error {
		name := fmt.Sprintf("app-%d", i)
		_, err := b.cluster.Create(ctx, source(name, urls[i])+kustomization(name, name, "./app", ""))
		return err
	}); err != nil {
		return err
	}
	created := time.Since(began)
	if err := <-ready; err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.subject.Usage()
	if err != nil {
		return err
	}
	counts, err := b.requests(ctx)
	if err != nil {
		return err
	}
	b.row(title+": 100 Kustomizations of 4 objects from 100 sources, all ready", "a fifth", "%s (of it creating them: %s)",
		took.Round(10*time.Millisecond), created.Round(10*time.Millisecond))
	b.row(title+": CPU", "a fifth", "%s", after.CPU-before.CPU)
	b.row(title+": peak resident memory", "90 MiB", "%s", mib(after.Peak))
	b.row(title+": API requests per Kustomization and its source", "16", "%.1f, of them %.1f writes",
		float64(counts.Total())/pairs, float64(counts.Writes())/pairs)
	return b.rest(ctx, title)
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
	b.row(title+": resident memory half a minute later", "", "%s, of it %s anonymous", mib(u.Resident), mib(u.Anonymous))
	return nil
}

// forced measures a reconcile by request of all Kustomizations, with nothing
// changed.
func (b *bench) forced(ctx context.Context) error {
	if _, err := b.cluster.MarkAudit(); err != nil {
		return err
	}
	request := time.Now().Format(time.RFC3339Nano)
	handled := harness.Field(request, "status", "lastHandledReconcileAt")
	done := make(chan error, 1)
	go func() { done <- b.all(ctx, pairs, handled) }()
	began := time.Now()
	if err := parallel(pairs, func(i int) error {
		_, err := b.cluster.Patch(ctx, harness.Kustomized, namespace, fmt.Sprintf("app-%d", i), map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: request}},
		})
		return err
	}); err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	took := time.Since(began)
	counts, err := b.requests(ctx)
	if err != nil {
		return err
	}
	b.row("forced reconcile with nothing changed: API requests each", "2", "%.1f (all 100 took %s)",
		float64(counts.Total())/pairs, took.Round(10*time.Millisecond))
	return nil
}

// drift measures how long 100 edits last.
func drift(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	url, err := b.repository(ctx, "app", fourObjects(0))
	if err != nil {
		return err
	}
	if _, err := b.cluster.Create(ctx, source("app", url)+kustomization("app", "app", "./app", "")); err != nil {
		return err
	}
	if err := b.all(ctx, 1, harness.Ready); err != nil {
		return err
	}
	const edits = 100
	samples := make([]time.Duration, 0, edits)
	for i := range edits {
		began := time.Now()
		if _, err := b.cluster.Patch(ctx, harness.ConfigMaps, namespace, "app-0", map[string]any{
			"data": map[string]any{"key": fmt.Sprintf("edit-%d", i)},
		}); err != nil {
			return err
		}
		if _, err := b.cluster.Wait(ctx, harness.ConfigMaps, namespace, "app-0", harness.Field("value", "data", "key")); err != nil {
			return err
		}
		samples = append(samples, time.Since(began))
	}
	b.row("drift: 100 edits reverted, 99th percentile", "1 s", "%s (median %s)",
		percentile(samples, 0.99).Round(time.Millisecond), percentile(samples, 0.5).Round(time.Millisecond))
	return nil
}

// links is the length of the chain.
const links = 10

// chain measures ten Kustomizations that wait for each other, beyond the time
// that their workloads need to get ready.
func chain(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
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
	began := time.Now()
	if _, err := b.cluster.Create(ctx, manifests); err != nil {
		return err
	}
	if err := b.all(ctx, links, harness.Ready); err != nil {
		return err
	}
	total := time.Since(began)
	watching.Wait()
	close(readiness)
	var workloads time.Duration
	for d := range readiness {
		workloads += d
	}
	b.row("chain: 10 dependent Kustomizations with wait, beyond their workloads", "3 s", "%s (in all %s)",
		(total - workloads).Round(10*time.Millisecond), total.Round(10*time.Millisecond))
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

// parts is how many Kustomizations the monorepo has.
const parts = 50

// monorepo measures a commit that touches one of 50 Kustomizations.
func monorepo(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	files := make(map[string]string)
	for i := range parts {
		for name, text := range fourObjects(i) {
			files[fmt.Sprintf("part-%d/%s", i, name)] = text
		}
	}
	url, err := b.repository(ctx, "mono", files)
	if err != nil {
		return err
	}
	manifests := source("mono", url)
	for i := range parts {
		manifests += kustomization(fmt.Sprintf("part-%d", i), "mono", fmt.Sprintf("./part-%d", i), "")
	}
	if _, err := b.cluster.Create(ctx, manifests); err != nil {
		return err
	}
	if err := b.all(ctx, parts, harness.Ready); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil { // the events of the install are still on their way
		return err
	}
	return b.touch(ctx)
}

func (b *bench) touch(ctx context.Context) error {
	daemon, ok := b.subject.(*harness.Daemon)
	if !ok {
		return errors.New("builds are counted by fluxd alone")
	}
	built, err := daemon.Metric("fluxd_builds_total")
	if err != nil {
		return err
	}
	if _, err := b.cluster.MarkAudit(); err != nil {
		return err
	}
	repo := &gittest.Repo{Dir: b.dir + "/mono.git", Name: "mono.git"}
	changed := fourObjects(7)
	changed["app/config.yaml"] = configMap(7, "changed")
	commit, err := repo.Commit(ctx, "main", "touch one", map[string]string{"part-7/app/config.yaml": changed["app/config.yaml"]})
	if err != nil {
		return err
	}
	revision := "main@sha1:" + commit
	if _, err := b.cluster.Patch(ctx, harness.Sources, namespace, "mono", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: revision}},
	}); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, harness.Sources, namespace, "mono", harness.Field(revision, "status", "artifact", "revision")); err != nil {
		return err
	}
	fetched := time.Now()
	if _, err := b.cluster.Wait(ctx, harness.ConfigMaps, namespace, "app-7", harness.Field("changed", "data", "key")); err != nil {
		return err
	}
	applied := time.Since(fetched)
	if err := b.all(ctx, parts, harness.Field(revision, "status", "lastAppliedRevision")); err != nil {
		return err
	}
	all := time.Since(fetched)
	counts, err := b.requests(ctx)
	if err != nil {
		return err
	}
	builtAfter, err := daemon.Metric("fluxd_builds_total")
	if err != nil {
		return err
	}
	status := counts.Sum(func(r controlplane.Request) bool { return r.Subresource == "status" })
	events := counts.Sum(func(r controlplane.Request) bool { return r.Resource == "events" })
	b.row("monorepo: a commit that touches one of 50, from fetched to applied", "1 s", "%s (all at the revision: %s)",
		applied.Round(time.Millisecond), all.Round(time.Millisecond))
	b.row("monorepo: builds for that commit", "1", "%.0f", builtAfter-built)
	b.row("monorepo: requests beside status and events", "2", "%d (status %d, events %d)", counts.Total()-status-events, status, events)
	return nil
}
