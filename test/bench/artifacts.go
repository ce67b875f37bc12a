package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// sharers is how many sources have the same artifact.
const sharers = 100

// artifacts measures 100 OCIRepositories of one artifact of 2 MiB.
func artifacts(ctx context.Context, b *bench) error {
	r, err := b.registry(ctx)
	if err != nil {
		return err
	}
	files := make(map[string]string)
	for i := range 200 {
		files[fmt.Sprintf("app/%d.yaml", i)] = configMap(i, "value") + "# " + noise(10_000) + "\n"
	}
	artifact, err := upstream.FluxArtifact(files, nil)
	if err != nil {
		return err
	}
	if _, err := r.Push(ctx, "apps/web", "1.0.0", artifact); err != nil {
		return err
	}
	host, err := b.viaHost(r.Host())
	if err != nil {
		return err
	}
	before, err := b.settled(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := parallel(sharers, func(i int) error {
		_, err := b.cluster.Create(ctx, object("OCIRepository", fmt.Sprintf("web-%d", i), "1h",
			"url: oci://"+host+"/apps/web", "insecure: true", "ref: {tag: 1.0.0}"))
		return err
	}); err != nil {
		return err
	}
	if err := b.allOf(ctx, api.OCIRepositoryGVR, sharers, harness.Ready); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.settled(ctx)
	if err != nil {
		return err
	}
	stored, err := b.metric("fluxd_artifact_bytes")
	if err != nil {
		return err
	}
	pulls := r.Count(func(q upstream.Request) bool {
		return q.Method == http.MethodGet && strings.Contains(q.Path, "/blobs/")
	})
	packed := report.Bytes(int64(len(artifact.Layers[0].Content)))
	b.add(report.Time, report.Seconds(took), noGoal)
	b.add("pulls of the artifact", report.Count(float64(pulls)), report.Most(report.Count(1)))
	b.add("stored", report.Bytes(int64(stored)), noGoal, "the packed artifact has "+packed.String())
	b.add("memory above idle, later", report.Bytes(after.Resident-before.Resident), report.Most(report.Bytes(8<<20)))
	b.add("peak memory above idle", report.Bytes(after.Peak-before.Resident), noGoal)
	return nil
}

// registry starts an OCI registry.
func (b *bench) registry(ctx context.Context) (*upstream.Registry, error) {
	r, err := upstream.StartRegistry(ctx, upstream.RegistryOptions{})
	if err == nil {
		b.closers = append(b.closers, r)
	}
	return r, err
}

// settled is what the subject uses once it is at rest.
func (b *bench) settled(ctx context.Context) (harness.Usage, error) {
	if err := pause(ctx, 30*time.Second); err != nil {
		return harness.Usage{}, err
	}
	return b.subject.Usage()
}

func (b *bench) metric(name string, labels ...string) (float64, error) {
	daemon, ok := b.subject.(*harness.Daemon)
	if !ok {
		return 0, errors.New("metrics of this kind are fluxd's alone")
	}
	return daemon.Metric(name, labels...)
}

// object returns the manifest of a source.
func object(kind, name, interval string, spec ...string) string {
	return fmt.Sprintf("---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: %s\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  interval: %s\n  %s\n",
		kind, name, namespace, interval, strings.Join(spec, "\n  "))
}

// allReady waits until n objects of each kind are ready.
func (b *bench) allReady(ctx context.Context, n int, kinds ...schema.GroupVersionResource) error {
	for _, gvr := range kinds {
		if err := b.allOf(ctx, gvr, n, harness.Ready); err != nil {
			return fmt.Errorf("%s: %w", gvr.Resource, err)
		}
	}
	return nil
}
