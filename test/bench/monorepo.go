package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// parts is how many Kustomizations the monorepo has.
const parts = 200

// monorepo measures a commit that touches one of 200 Kustomizations.
func monorepo(ctx context.Context, b *bench) error {
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
	if _, err := b.rested(ctx, calm, restless); err != nil { // the last of the install
		return err
	}
	built, err := b.builds()
	if err != nil {
		return err
	}
	c, err := b.touch(ctx)
	if err != nil {
		return err
	}
	c.add(b, 1, usual)
	status := c.Sum(func(r controlplane.Request) bool { return r.Subresource == "status" })
	events := c.Sum(func(r controlplane.Request) bool { return r.Resource == "events" })
	b.add("other API requests", report.Count(float64(c.Total()-status-events)), report.Most(report.Count(2)))
	b.add("status writes", report.Count(float64(status)), report.Most(report.Count(parts+1)))
	if b.who == report.Flux {
		return nil // which tells of no builds
	}
	after, err := b.builds()
	if err != nil {
		return err
	}
	b.add("builds for that commit", report.Count(after-built), report.Most(report.Count(1)))
	return nil
}

// builds is how many builds fluxd has run.
func (b *bench) builds() (float64, error) {
	if b.who == report.Flux {
		return 0, nil
	}
	return b.metric("fluxd_builds_total")
}

// touch commits a change to one of the parts, asks for it, and returns what it costs
// until all are at the revision.
func (b *bench) touch(ctx context.Context) (cost, error) {
	repo := &gittest.Repo{Dir: b.dir + "/mono.git", Name: "mono.git"}
	commit, err := repo.Commit(ctx, "main", "touch one", map[string]string{"part-7/app/config.yaml": configMap(7, "changed")})
	if err != nil {
		return cost{}, err
	}
	m, err := b.measure()
	if err != nil {
		return cost{}, err
	}
	revision := "main@sha1:" + commit
	if _, err := b.cluster.Patch(ctx, harness.Sources, namespace, "mono", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: revision}},
	}); err != nil {
		return cost{}, err
	}
	if _, err := b.cluster.Wait(ctx, harness.Sources, namespace, "mono", harness.Field(revision, "status", "artifact", "revision")); err != nil {
		return cost{}, err
	}
	fetched := time.Now()
	if _, err := b.cluster.Wait(ctx, harness.ConfigMaps, namespace, "app-7", harness.Field("changed", "data", "key")); err != nil {
		return cost{}, err
	}
	applied := time.Since(fetched)
	if err := b.all(ctx, parts, harness.Field(revision, "status", "lastAppliedRevision")); err != nil {
		return cost{}, err
	}
	all := m.took()
	b.add(report.Time, report.Seconds(all), noGoal)
	b.add("time from fetched to applied", report.Seconds(applied), report.Most(report.Seconds(time.Second)))
	return m.end(ctx)
}
