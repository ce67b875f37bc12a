package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/upstream"
)

const (
	// polled is how many sources of each of four kinds there are.
	polled = 250
	// watched is how long they are looked at while nothing happens.
	watched = 150 * time.Second
)

// polling measures 1,000 sources that are looked at every minute and in which
// nothing is new.
func polling(ctx context.Context, b *bench) error {
	specs, doors, err := b.origins(ctx)
	if err != nil {
		return err
	}
	if _, err := b.cluster.Create(ctx, s3Secret); err != nil {
		return err
	}
	for kind, spec := range specs {
		if err := parallel(polled, func(i int) error {
			_, err := b.cluster.Create(ctx, object(kind, fmt.Sprintf("source-%d", i), "1m", spec...))
			return err
		}); err != nil {
			return err
		}
	}
	if err := b.allReady(ctx, polled, api.GitRepositoryGVR, api.OCIRepositoryGVR, api.HelmRepositoryGVR, api.BucketGVR); err != nil {
		return err
	}
	c, err := b.alone(ctx, watched, func() {
		for _, d := range doors {
			d.Forget()
		}
	})
	if err != nil {
		return err
	}
	asked := 0
	for _, d := range doors {
		asked += len(d.Requests())
	}
	b.add("of one core", report.Percent(100*c.cpu.Seconds()/watched.Seconds()), report.Most(report.Percent(5)))
	b.add(report.Writes, report.Count(float64(c.writes())), report.Most(report.Count(0)))
	b.add("resident memory", report.Bytes(c.after.Resident), noGoal)
	b.add(report.Fetched, report.Bytes(c.fetched), noGoal, fmt.Sprintf("in %s, in %d requests to registry, index and bucket", watched, asked))
	return nil
}

// origins starts a server for each kind and returns the specs of sources of these.
func (b *bench) origins(ctx context.Context) (specs map[string][]string, doors []*upstream.Door, err error) {
	repo, err := gittest.NewRepo(ctx, b.dir, "polled")
	if err != nil {
		return nil, nil, err
	}
	files := map[string]string{"app/config.yaml": configMap(0, "value")}
	if _, err := repo.Commit(ctx, "main", "first", files); err != nil {
		return nil, nil, err
	}
	r, err := b.registry(ctx)
	if err != nil {
		return nil, nil, err
	}
	artifact, err := upstream.FluxArtifact(files, nil)
	if err != nil {
		return nil, nil, err
	}
	if _, err := r.Push(ctx, "apps/web", "1.0.0", artifact); err != nil {
		return nil, nil, err
	}
	s, err := b.s3(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := s.Put(ctx, bucketName, "app/config.yaml", []byte(configMap(0, "value"))); err != nil {
		return nil, nil, err
	}
	h, err := upstream.StartHelmIndex(upstream.HelmIndexOptions{})
	if err != nil {
		return nil, nil, err
	}
	b.closers = append(b.closers, h)
	if err := h.PublishAmong(100_000, upstream.Chart{Name: "web", Version: "1.0.0"}); err != nil {
		return nil, nil, err
	}
	url, err := b.via(b.server.RepoURL(repo))
	if err != nil {
		return nil, nil, err
	}
	hosts := []string{r.Host(), h.Host(), s.Host()}
	for i := range hosts {
		if hosts[i], err = b.viaHost(hosts[i]); err != nil {
			return nil, nil, err
		}
	}
	return map[string][]string{
		"GitRepository":  {"url: " + url, "ref: {branch: main}"},
		"OCIRepository":  {"url: oci://" + hosts[0] + "/apps/web", "insecure: true", "ref: {tag: 1.0.0}"},
		"HelmRepository": {"url: http://" + hosts[1]},
		"Bucket":         {"endpoint: " + hosts[2], "insecure: true", "bucketName: " + bucketName, "secretRef: {name: keys}"},
	}, []*upstream.Door{r.Door, s.Door, h.Door}, nil
}
