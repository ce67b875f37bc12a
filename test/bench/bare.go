package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

// bare measures what the API server alone needs for install: a client that knows
// everything beforehand creates the same objects, applies the same manifests and
// writes the same kinds of status. Nobody who reconciles can be faster.
func bare(ctx context.Context, b *bench) error {
	if err := b.bareInstall(ctx, "least", false); err != nil {
		return err
	}
	return b.bareInstall(ctx, "safe", true)
}

// bareInstall does with 100 pairs what is the least or, to be safe, with a dry-run of
// each object, a finalizer and an inventory that is written ahead as well.
func (b *bench) bareInstall(ctx context.Context, title string, safe bool) error {
	before, err := b.serving()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := parallel(pairs, func(i int) error {
		name := fmt.Sprintf("%s-%d", title, i)
		_, err := b.cluster.Create(ctx, source(name, "https://example.com/app")+kustomization(name, name, "./app", ""))
		return err
	}); err != nil {
		return err
	}
	created := time.Since(began)
	if err := atOnce(2*wide, pairs, func(i int) error { return b.bareReconcile(ctx, fmt.Sprintf("%s-%d", title, i), safe) }); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.serving()
	if err != nil {
		return err
	}
	what := map[bool]string{false: "least", true: "safe"}[safe]
	b.add(what+": time", report.Seconds(took), noGoal, "creating them: "+report.Seconds(created).String())
	b.add(what+": "+report.ServerCPU, report.Seconds(after-before), noGoal)
	return nil
}

// bareReconcile writes what a reconcile of one pair leaves behind.
func (b *bench) bareReconcile(ctx context.Context, name string, safe bool) error {
	const revision = "main@sha1:4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	if err := b.bareStatus(ctx, harness.Sources, name, map[string]any{
		"conditions": bareConditions("ArtifactInStorage", "Ready"),
		"artifact": map[string]any{
			"path": "gitrepository/" + namespace + "/" + name, "url": "http://source-controller.flux-system.svc.cluster.local./" + name,
			"revision": revision, "digest": "sha256:" + fmt.Sprintf("%064d", 0), "lastUpdateTime": time.Now().UTC().Format(time.RFC3339), "size": 512,
		},
	}); err != nil {
		return err
	}
	entries := make([]any, 4)
	for i := range entries {
		entries[i] = map[string]any{"id": fmt.Sprintf("%s_%s-%d__ConfigMap", namespace, name, i), "v": "v1"}
	}
	inventory := map[string]any{"entries": entries}
	if safe {
		if _, err := b.cluster.Patch(ctx, harness.Kustomized, namespace, name, map[string]any{
			"metadata": map[string]any{"finalizers": []any{api.Finalizer}},
		}); err != nil {
			return err
		}
		if err := b.bareStatus(ctx, harness.Kustomized, name, map[string]any{
			"inventory": inventory, "conditions": bareConditions("Reconciling"), "lastAttemptedRevision": revision,
		}); err != nil {
			return err
		}
	}
	for _, dry := range []bool{true, false} {
		if dry && !safe {
			continue
		}
		if err := parallel(len(entries), func(i int) error { return b.applyConfig(ctx, fmt.Sprintf("%s-%d", name, i), dry) }); err != nil {
			return err
		}
	}
	return b.bareStatus(ctx, harness.Kustomized, name, map[string]any{
		"inventory": inventory, "conditions": bareConditions("Ready"),
		"lastAttemptedRevision": revision, "lastAppliedRevision": revision, "observedGeneration": 1,
	})
}

func bareConditions(kinds ...string) []any {
	list := make([]any, len(kinds))
	for i, kind := range kinds {
		list[i] = map[string]any{
			"type": kind, "status": "True", "reason": api.ReasonSucceeded, "message": "as a client that knows all has it",
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339), "observedGeneration": 1,
		}
	}
	return list
}

func (b *bench) bareStatus(ctx context.Context, gvr schema.GroupVersionResource, name string, status map[string]any) error {
	data, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = b.cluster.Dynamic.Resource(gvr).Namespace(namespace).
		Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: "bench"}, "status")
	return err
}
