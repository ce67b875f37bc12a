package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

const (
	// indexSize is that of a large public index of charts.
	indexSize = 60 << 20
	// wanted is how many charts are made from it.
	wanted = 10
)

// index measures ten charts from a large index.
func index(ctx context.Context, b *bench) error {
	h, err := upstream.StartHelmIndex(upstream.HelmIndexOptions{})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, h)
	charts := make([]upstream.Chart, wanted)
	for i := range charts {
		charts[i] = upstream.Chart{Name: fmt.Sprintf("wanted-%d", i), Version: "1.0.0", Files: map[string]string{
			"templates/config.yaml": configMap(i, "value"),
		}}
	}
	if err := h.PublishAmong(indexSize, charts...); err != nil {
		return err
	}
	url, err := b.via(h.URL)
	if err != nil {
		return err
	}
	before, err := b.settled(ctx)
	if err != nil {
		return err
	}
	manifests := object("HelmRepository", "charts", "1h", "url: "+url)
	for i, c := range charts {
		manifests += object("HelmChart", fmt.Sprintf("chart-%d", i), "1h", "chart: "+c.Name, "sourceRef: {kind: HelmRepository, name: charts}")
	}
	began := time.Now()
	if _, err := b.cluster.Create(ctx, manifests); err != nil {
		return err
	}
	if err := b.allOf(ctx, api.HelmChartGVR, wanted, harness.Ready); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.subject.Usage()
	if err != nil {
		return err
	}
	parsing, err := parse(h.Index())
	if err != nil {
		return err
	}
	fetches := h.Count(func(q upstream.Request) bool { return q.Path == "/index.yaml" })
	b.add(report.Time, report.Seconds(took), report.Most(report.Seconds(parsing/2)), "parsing the index as a whole: "+report.Seconds(parsing).String())
	b.add("peak memory above idle", report.Bytes(after.Peak-before.Resident), report.Most(report.Bytes(20<<20)))
	b.add("times that the index was fetched", report.Count(float64(fetches)), noGoal)
	b.add(report.Fetched, report.Bytes(b.fetched()), noGoal)
	return nil
}

// parse reads an index in the way that needs no thought, and returns how long it
// takes.
func parse(text []byte) (time.Duration, error) {
	began := time.Now()
	var whole struct {
		APIVersion string                      `json:"apiVersion"`
		Entries    map[string][]map[string]any `json:"entries"`
	}
	if err := yaml.Unmarshal(text, &whole); err != nil {
		return 0, fmt.Errorf("parse the index: %w", err)
	}
	return time.Since(began), nil
}
