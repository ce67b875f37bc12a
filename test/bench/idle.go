package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

// idleness is how long somebody who has nothing to do is looked at.
const idleness = time.Minute

// idle measures a daemon that has nothing to do.
func idle(ctx context.Context, b *bench) error {
	if err := pause(ctx, 20*time.Second); err != nil { // what the start has left behind
		return err
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	if err := pause(ctx, idleness); err != nil {
		return err
	}
	c, err := m.now()
	if err != nil {
		return err
	}
	b.add("resident memory", report.Bytes(c.after.Resident), report.Most(report.Bytes(50<<20)))
	b.add("of it anonymous", report.Bytes(c.after.Anonymous), report.Most(report.Bytes(16<<20)))
	c.add(b, 1, atRest)
	return nil
}

// yardstick measures 400 bare server-side applies from this process.
func yardstick(ctx context.Context, b *bench) error {
	began := time.Now()
	err := parallel(400, func(i int) error { return b.applyConfig(ctx, fmt.Sprintf("bare-%d", i), false) })
	b.add(report.Time, report.Seconds(time.Since(began)), noGoal)
	return err
}

// applyConfig applies a ConfigMap, or only has the API server say what would come of
// that.
func (b *bench) applyConfig(ctx context.Context, name string, dry bool) error {
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": namespace},
		"data":     map[string]any{"key": "value"},
	}}
	o := metav1.ApplyOptions{FieldManager: "bench", Force: true}
	if dry {
		o.DryRun = []string{metav1.DryRunAll}
	}
	_, err := b.cluster.Dynamic.Resource(harness.ConfigMaps).Namespace(namespace).Apply(ctx, name, obj, o)
	return err
}
