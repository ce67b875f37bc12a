package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

// revisit is the interval of the Kustomization whose object is edited. The Flux
// controllers find an edit only then; fluxd does not need it.
const revisit = "1m"

// drift measures how long 100 edits last, or three where that depends on the
// interval: one right after a reconcile, one and two thirds of the way to the next.
func drift(ctx context.Context, b *bench) error {
	url, err := b.repository(ctx, "app", fourObjects(0))
	if err != nil {
		return err
	}
	app := strings.Replace(kustomization("app", "app", "./app", ""), "interval: 1h", "interval: "+revisit, 1)
	if _, err := b.cluster.Create(ctx, source("app", url)+app); err != nil {
		return err
	}
	if err := b.all(ctx, 1, harness.Ready); err != nil {
		return err
	}
	edits := 100
	if b.who == report.Flux {
		edits = 3
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	samples := make([]time.Duration, 0, edits)
	for i := range edits {
		if b.who == report.Flux {
			if err := pause(ctx, time.Duration(i)*20*time.Second); err != nil {
				return err
			}
		}
		took, err := b.edit(ctx, fmt.Sprintf("edit-%d", i))
		if err != nil {
			return err
		}
		samples = append(samples, took)
	}
	c, err := m.end(ctx)
	if err != nil {
		return err
	}
	worst, median := percentile(samples, 0.99), percentile(samples, 0.5)
	b.add("time, median", report.Seconds(median), noGoal)
	b.add(report.Time, report.Seconds(worst), report.Most(report.Seconds(time.Second)), fmt.Sprintf("99th percentile of %d edits", edits))
	c.add(b, float64(edits), usual)
	return nil
}

// edit changes a ConfigMap and returns how long that lasts.
func (b *bench) edit(ctx context.Context, value string) (time.Duration, error) {
	began := time.Now()
	if _, err := b.cluster.Patch(ctx, harness.ConfigMaps, namespace, "app-0", map[string]any{
		"data": map[string]any{"key": value},
	}); err != nil {
		return 0, err
	}
	_, err := b.cluster.Wait(ctx, harness.ConfigMaps, namespace, "app-0", harness.Field("value", "data", "key"))
	return time.Since(began), err
}
