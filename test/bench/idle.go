package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/controlplane"
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
	u, err := b.subject.Usage()
	if err != nil {
		return err
	}
	counts, err := b.cluster.AuditCounts(controlplane.FluxdUser)
	if err != nil {
		return err
	}
	asked := counts.Sum(func(r controlplane.Request) bool { return r.Verb != "watch" })
	b.compare("idle: resident memory", "50 MiB", float64(u.Resident), "%s", mib(u.Resident))
	b.compare("idle: of it anonymous", "16 MiB", float64(u.Anonymous), "%s", mib(u.Anonymous))
	b.compare("idle: CPU in a minute", "", (u.CPU - m.subject).Seconds(), "%s", u.CPU-m.subject)
	b.compare("idle: API requests in a minute", "", float64(asked), "%d", asked)
	return nil
}

// yardstick measures 400 bare server-side applies from this process.
func yardstick(ctx context.Context, b *bench) error {
	began := time.Now()
	err := parallel(400, func(i int) error { return b.applyConfig(ctx, fmt.Sprintf("bare-%d", i), false) })
	b.row("yardstick: 400 bare server-side applies", "", "%s", time.Since(began).Round(10*time.Millisecond))
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
