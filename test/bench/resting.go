package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

const (
	// resting is how many Kustomizations have nothing to do, and restingFor how long
	// they are looked at.
	resting    = 100
	restingFor = 2 * time.Minute
)

// steady measures 100 Kustomizations and their source, with an interval of a minute,
// that have nothing to do.
func steady(ctx context.Context, b *bench) error {
	files := make(map[string]string)
	for i := range resting {
		for name, text := range fourConfigs(i) {
			files[fmt.Sprintf("part-%d/%s", i, strings.TrimPrefix(name, "app/"))] = text
		}
	}
	url, err := b.repository(ctx, "resting", files)
	if err != nil {
		return err
	}
	manifests := source("resting", url)
	for i := range resting {
		manifests += kustomization(fmt.Sprintf("part-%d", i), "resting", fmt.Sprintf("./part-%d", i), "  wait: true\n")
	}
	if _, err := b.cluster.Create(ctx, strings.ReplaceAll(manifests, "interval: 1h", "interval: 1m")); err != nil {
		return err
	}
	if err := b.all(ctx, resting, harness.Ready); err != nil {
		return err
	}
	c, err := b.alone(ctx, restingFor, nil)
	if err != nil {
		return err
	}
	c.add(b, 1, goals{cpu: usual.cpu, memory: usual.memory, writes: report.Most(report.Count(0))})
	each := float64(c.Total()) / resting * (10 * time.Minute).Seconds() / restingFor.Seconds()
	b.add("API requests for each in 10 min", report.Count(each), report.Most(report.Count(1)))
	b.add("of one core", report.Percent(100*c.cpu.Seconds()/restingFor.Seconds()), report.Most(report.Percent(1)))
	return nil
}

const (
	// sick is how many Kustomizations never get healthy.
	sick = 20
	// samples is how often the healthy one is made with them and without.
	samples = 5
)

// crowd measures one Kustomization that gets healthy beside 20 that never do.
func crowd(ctx context.Context, b *bench) error {
	files := map[string]string{}
	for i := range samples * 2 {
		files[fmt.Sprintf("good-%d/app.yaml", i)] = configMap(1000+i, "value")
	}
	for i := range sick {
		files[fmt.Sprintf("sick-%d/app.yaml", i)] = strings.Replace(workload(fmt.Sprintf("sick-%d", i)), "fluxd.test/ready-after: 1s", `fluxd.test/never-ready: "true"`, 1)
	}
	url, err := b.repository(ctx, "crowd", files)
	if err != nil {
		return err
	}
	if _, err := b.cluster.Create(ctx, source("crowd", url)); err != nil {
		return err
	}
	if _, err := b.cluster.Wait(ctx, harness.Sources, namespace, "crowd", harness.Ready); err != nil {
		return err
	}
	alone, err := b.good(ctx, 0)
	if err != nil {
		return err
	}
	manifests := ""
	for i := range sick {
		manifests += kustomization(fmt.Sprintf("sick-%d", i), "crowd", fmt.Sprintf("./sick-%d", i), "  wait: true\n  timeout: 30m\n  retryInterval: 10s\n")
	}
	if _, err := b.cluster.Create(ctx, manifests); err != nil {
		return err
	}
	for i := range sick {
		if _, err := b.cluster.Wait(ctx, harness.Kustomized, namespace, fmt.Sprintf("sick-%d", i), waiting); err != nil {
			return err
		}
	}
	among, err := b.good(ctx, samples)
	if err != nil {
		return err
	}
	b.add("time alone", report.Seconds(alone), noGoal)
	b.add("time beside 20", report.Seconds(among), noGoal)
	return nil
}

// waiting says whether the health of a Kustomization is waited for.
func waiting(obj *unstructured.Unstructured) bool {
	status, _, _ := harness.Condition(obj, api.ConditionHealthy)
	return status == "Unknown"
}

// good makes some Kustomizations, one after the other, and returns the median of how
// long they took to get ready.
func (b *bench) good(ctx context.Context, first int) (time.Duration, error) {
	var took []time.Duration
	for i := range samples {
		name := fmt.Sprintf("good-%d", first+i)
		began := time.Now()
		if _, err := b.cluster.Create(ctx, kustomization(name, "crowd", "./"+name, "  wait: true\n")); err != nil {
			return 0, err
		}
		if _, err := b.cluster.Wait(ctx, harness.Kustomized, namespace, name, harness.Ready); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	return percentile(took, 0.5), nil
}
