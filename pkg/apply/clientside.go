package apply

import (
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// ClientSide has objects merged here instead of by the API server, as kubectl and Helm
// did before the server could: what is wanted is compared with what was wanted before,
// and with what there is. [Config.Strict] holds only for objects that are replaced:
// fields that the API server does not know are dropped by it otherwise.
type ClientSide struct {
	// Previous are the objects as they were wanted before. One that is not among them
	// takes its place from what there is.
	Previous []*unstructured.Unstructured
	// Replace replaces objects as a whole.
	Replace bool
	// Adopt merges objects whose kind has no Go type with what there is, too; otherwise
	// they are only compared with what was wanted before.
	Adopt bool

	previous map[Entry]*unstructured.Unstructured
}

// before returns the object as it was wanted before, nil if it was not.
func (c *ClientSide) before(e Entry) *unstructured.Unstructured { return c.previous[e.identity()] }

// place notes what was wanted before, each under the entry that its kind has.
func (c *ClientSide) place(m *mapper) {
	c.previous = make(map[Entry]*unstructured.Unstructured, len(c.Previous))
	for _, obj := range c.Previous {
		e := EntryOf(obj)
		if v, err := m.known(e.GroupVersionKind()); err == nil && !v.namespaced {
			e.Namespace = ""
		}
		c.previous[e.identity()] = obj
	}
}

// merge sends what makes the live object the one that is wanted. The result of a
// dry-run has no version if there is no object.
func (r *run) merge(ctx context.Context, t *trial, dryRun bool) (*unstructured.Unstructured, error) {
	live, err := r.get(ctx, t.served, t.key)
	if err != nil {
		return nil, err
	}
	var dry []string
	if dryRun {
		dry = []string{metav1.DryRunAll}
	}
	resource := r.resource(t.served, t.key)
	if live == nil {
		made, err := resource.Create(ctx, t.obj, metav1.CreateOptions{FieldManager: r.cfg.Manager, DryRun: dry})
		if err == nil && dryRun {
			made.SetResourceVersion("")
		}
		return made, err
	}
	if r.plan.client.Replace {
		want := t.obj.DeepCopy()
		want.SetResourceVersion(live.GetResourceVersion())
		return resource.Update(ctx, want, metav1.UpdateOptions{
			FieldManager: r.cfg.Manager, FieldValidation: r.validation(), DryRun: dry,
		})
	}
	patch, kind, err := r.plan.client.patch(r.plan.client.before(t.entry), t.obj, live)
	if err != nil {
		return nil, fmt.Errorf("failed to create patch: %w", err)
	}
	if patch == nil {
		return live, nil
	}
	return resource.Patch(ctx, t.key.name, kind, patch, metav1.PatchOptions{FieldManager: r.cfg.Manager, DryRun: dry})
}

// patch returns the patch that leads from live to want, nil if there is nothing to do.
// Lists of kinds with a Go type are merged by their keys, as that type says.
func (c *ClientSide) patch(before, want, live *unstructured.Unstructured) ([]byte, types.PatchType, error) {
	if before == nil {
		before = live
	}
	was, err := json.Marshal(bare(before))
	if err != nil {
		return nil, "", err
	}
	wanted, err := json.Marshal(want.Object)
	if err != nil {
		return nil, "", err
	}
	is, err := json.Marshal(live.Object)
	if err != nil {
		return nil, "", err
	}
	var patch []byte
	kind := types.MergePatchType
	typed := typeOf(want.GroupVersionKind())
	switch {
	case typed != nil:
		kind = types.StrategicMergePatchType
		var lookup strategicpatch.PatchMetaFromStruct
		if lookup, err = strategicpatch.NewPatchMetaFromStruct(typed); err == nil {
			patch, err = strategicpatch.CreateThreeWayMergePatch(was, wanted, is, lookup, true)
		}
	case c.Adopt || builtin(want.GroupVersionKind().Group):
		patch, err = jsonmergepatch.CreateThreeWayJSONMergePatch(was, wanted, is)
	default:
		patch, err = jsonpatch.CreateMergePatch(was, wanted)
	}
	if err != nil || len(patch) == 0 || string(patch) == "{}" {
		return nil, kind, err
	}
	return patch, kind, nil
}

// bare returns an object without what only the API server writes, so that none of it
// counts as wanted before.
func bare(obj *unstructured.Unstructured) map[string]any {
	c := obj.DeepCopy()
	metadata, _ := c.Object["metadata"].(map[string]any)
	for _, name := range [...]string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"} {
		delete(metadata, name)
	}
	delete(c.Object, "status")
	return c.Object
}

// typeOf returns the Go type of a kind that has lists which are merged by keys; nil is
// none. Lists of other kinds are replaced as a whole anyway.
func typeOf(gvk schema.GroupVersionKind) any {
	switch gvk.GroupVersion().String() + "/" + gvk.Kind {
	case "v1/Pod":
		return &corev1.Pod{}
	case "v1/Service":
		return &corev1.Service{}
	case "v1/ServiceAccount":
		return &corev1.ServiceAccount{}
	case "v1/ReplicationController":
		return &corev1.ReplicationController{}
	case "apps/v1/Deployment":
		return &appsv1.Deployment{}
	case "apps/v1/StatefulSet":
		return &appsv1.StatefulSet{}
	case "apps/v1/DaemonSet":
		return &appsv1.DaemonSet{}
	case "apps/v1/ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "batch/v1/Job":
		return &batchv1.Job{}
	case "batch/v1/CronJob":
		return &batchv1.CronJob{}
	}
	return nil
}
