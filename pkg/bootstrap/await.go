package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// fieldManager writes what is no manifest: requests, the Secret, and the hold on the
// Kustomization. It is none of those whose fields are taken over by what is applied.
const fieldManager = "bootstrap"

// await waits until fluxd runs and has applied a revision, or a later one that somebody
// else pushed meanwhile.
func (b *bootstrap) await(ctx context.Context, revision string) error {
	namespace := b.options.Sync.Namespace
	b.progress.Step("waiting for the Deployment %s/fluxd", namespace)
	if err := b.cluster.Ready(ctx, namespace); err != nil {
		return err
	}
	b.progress.Done("fluxd is ready")
	if err := b.request(ctx); err != nil {
		return err
	}
	b.progress.Step("waiting for the cluster to report %s", revision)
	w := &watcher{bootstrap: b, wanted: revision, path: []string{"status", "artifact", "revision"}}
	if err := w.until(ctx, api.GitRepositoryGVR, api.GitRepositoryKind); err != nil {
		return err
	}
	if err := b.letGo(ctx); err != nil {
		return err
	}
	w = &watcher{bootstrap: b, wanted: w.wanted, path: []string{"status", "lastAppliedRevision"}}
	if err := w.until(ctx, api.KustomizationGVR, api.KustomizationKind); err != nil {
		return err
	}
	return b.cluster.Ready(ctx, namespace) // it may have changed itself
}

// request has the source looked at now.
func (b *bootstrap) request(ctx context.Context) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{
		api.AnnotationReconcileRequest: time.Now().Format(time.RFC3339Nano),
	}}})
	if err != nil {
		return err
	}
	name := b.options.Sync.Namespace
	_, err = b.cluster.In(api.GitRepositoryGVR, name).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("ask for a reconcile of the GitRepository %s/%s: %w", name, name, err)
	}
	return nil
}

// watcher waits for an object to report a revision.
type watcher struct {
	*bootstrap
	wanted string
	path   []string // of the revision in the object
	told   string   // what was last told of the object
	asked  string   // the revision for which the remote was last asked
}

// until waits. What goes wrong meanwhile is told, and may pass; what only an edit can
// mend ends the wait.
func (w *watcher) until(ctx context.Context, gvr schema.GroupVersionResource, kind string) error {
	name := w.options.Sync.Namespace
	err := w.cluster.Await(ctx, gvr, name, name, func(obj *unstructured.Unstructured) (bool, error) {
		return w.look(ctx, kind, obj)
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("the %s %s/%s has not reported %s: %s: %w", kind, name, name, w.wanted, w.told, err)
	}
	if err == nil {
		w.progress.Done("%s/%s: %s", kind, name, w.wanted)
	}
	return err
}

func (w *watcher) look(ctx context.Context, kind string, obj *unstructured.Unstructured) (bool, error) {
	if obj == nil {
		w.told = "it does not exist"
		return false, nil
	}
	if suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); suspended {
		return false, fmt.Errorf("the %s %s/%s is suspended: resume it and run this again", kind, obj.GetNamespace(), obj.GetName())
	}
	status, message := ready(obj)
	if stalled, why := condition(obj, api.ConditionStalled); stalled == string(metav1.ConditionTrue) {
		return false, fmt.Errorf("the %s %s/%s is stalled: %s", kind, obj.GetNamespace(), obj.GetName(), why)
	}
	if message != w.told && status == string(metav1.ConditionFalse) {
		w.progress.Note("%s: %s", kind, message)
	}
	w.told = message
	if status != string(metav1.ConditionTrue) {
		return false, nil
	}
	revision, _, _ := unstructured.NestedString(obj.Object, w.path...)
	if revision != w.wanted && revision != "" && revision != w.asked {
		w.asked = revision
		w.follow(ctx)
	}
	return revision == w.wanted, nil
}

// ready returns the condition Ready, if it speaks of the newest generation.
func ready(obj *unstructured.Unstructured) (status, message string) {
	observed, _, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration")
	if observed != obj.GetGeneration() {
		return "", "it has not been looked at"
	}
	return condition(obj, api.ConditionReady)
}

func condition(obj *unstructured.Unstructured, kind string) (status, message string) {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok && c["type"] == kind {
			status, _ = c["status"].(string)
			message, _ = c["message"].(string)
		}
	}
	return status, message
}

// follow looks whether the branch has moved on.
func (w *watcher) follow(ctx context.Context) {
	session, err := w.options.Remote.Connect(ctx)
	if err != nil {
		return // the cluster's view counts
	}
	defer session.Close()
	head, err := session.Resolve(git.Ref{Branch: w.options.Sync.Branch})
	if err == nil && head.Revision() != w.wanted {
		w.wanted = head.Revision()
		w.progress.Note("the branch has moved on to %s", w.wanted)
	}
}
