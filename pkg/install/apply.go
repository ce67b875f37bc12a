package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/kube"
)

// formerManager is under whose name `flux install` and `flux bootstrap` apply. What
// it owns is taken over, or it would stay when it leaves Git.
const formerManager = "flux"

// Apply brings objects to the cluster, in the order in which they need each other, and
// returns what that changed. With an owner they carry the labels of the Kustomization
// of that name. It waits for definitions to be served, and for nothing else. On a dry
// run it tells what would happen.
func (c *Cluster) Apply(ctx context.Context, owner *apply.Owner, objects Objects) (apply.Changes, error) {
	if c.DryRun {
		return c.preview(ctx, objects)
	}
	config := apply.Config{
		Dynamic: c.Dynamic, Mapper: c.Mapper, Manager: api.ManagerKustomize, NoWatch: true,
		OverrideManagers: []string{formerManager}, MarkPrefix: api.KustomizeGroup,
		Wake: func(apply.Owner, time.Duration) {},
	}
	whose := apply.Owner{Name: program}
	if owner != nil {
		whose = *owner
		config.Labels = apply.Labels{Name: api.LabelKustomizationName, Namespace: api.LabelKustomizationNamespace}
	}
	a := apply.New(config)
	defer a.Close()
	return carryOut(ctx, a, whose, objects)
}

// recheck is how often a stage is looked at that the next one waits for.
const recheck = 500 * time.Millisecond

// carryOut plans and applies until nothing waits any more.
func carryOut(ctx context.Context, a *apply.Applier, owner apply.Owner, objects Objects) (apply.Changes, error) {
	var all apply.Changes
	for {
		plan, err := a.Plan(ctx, apply.Request{Owner: owner, Objects: objects.copies()})
		if err != nil {
			return all, err
		}
		outcome, err := a.Apply(ctx, plan)
		all = merge(all, outcome.Changes)
		if err != nil {
			return all, err
		}
		if len(outcome.Waiting) == 0 {
			return all, nil
		}
		kube.Pause(ctx, recheck)
		if ctx.Err() != nil {
			return all, fmt.Errorf("waiting for %s: %w", subjects(outcome.Waiting), context.Cause(ctx))
		}
	}
}

// merge adds later to earlier changes: what was written once counts as written.
func merge(earlier, later apply.Changes) apply.Changes {
	wrote := make(map[string]apply.Action)
	for _, change := range earlier {
		if change.Action != apply.Unchanged {
			wrote[change.ID()] = change.Action
		}
	}
	for i, change := range later {
		if before, ok := wrote[change.ID()]; ok && change.Action == apply.Unchanged {
			later[i].Action = before
		}
	}
	return later
}

func subjects(entries apply.Inventory) string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.String()
	}
	return strings.Join(names, ", ")
}

func (objects Objects) copies() []*unstructured.Unstructured {
	copies := make([]*unstructured.Unstructured, len(objects))
	for i, obj := range objects {
		copies[i] = obj.DeepCopy()
	}
	return copies
}

// preview tells what Apply would do. Objects of kinds, or in namespaces, that are yet
// to be created are created.
func (c *Cluster) preview(ctx context.Context, objects Objects) (apply.Changes, error) {
	var changes apply.Changes
	var bad []error
	for _, obj := range objects {
		action, err := c.previewOne(ctx, obj)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", apply.EntryOf(obj), err))
			continue
		}
		changes = append(changes, apply.Change{Entry: apply.EntryOf(obj), Action: action})
	}
	return changes, errors.Join(bad...)
}

func (c *Cluster) previewOne(ctx context.Context, obj *unstructured.Unstructured) (apply.Action, error) {
	gvk := obj.GroupVersionKind()
	mapping, err := c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return apply.Created, nil
	}
	if err != nil {
		return "", err
	}
	resource := c.In(mapping.Resource, obj.GetNamespace())
	before, err := resource.Get(ctx, obj.GetName(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return "", err
	}
	fresh := err != nil
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return "", err
	}
	after, err := resource.Patch(ctx, obj.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{
		FieldManager: api.ManagerKustomize, Force: new(true), DryRun: []string{metav1.DryRunAll},
	})
	switch {
	case apierrors.IsNotFound(err) || fresh && err == nil: // its namespace comes with it
		return apply.Created, nil
	case err != nil:
		return "", err
	case same(before, after):
		return apply.Unchanged, nil
	}
	return apply.Configured, nil
}

// same says whether two versions of an object differ in nothing but who wrote them.
func same(a, b *unstructured.Unstructured) bool {
	content := func(obj *unstructured.Unstructured) string {
		bare := obj.DeepCopy()
		bare.SetManagedFields(nil)
		bare.SetResourceVersion("")
		bare.SetGeneration(0)
		text, err := json.Marshal(bare.Object)
		if err != nil {
			return obj.GetResourceVersion()
		}
		return string(text)
	}
	return content(a) == content(b)
}
