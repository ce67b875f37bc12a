package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/api"
)

// Removal says how much of an installation goes.
type Removal struct {
	Namespace string
	// KeepNamespace leaves the namespace.
	KeepNamespace bool
	// Workloads deletes what Kustomizations and HelmReleases applied, too, which fluxd
	// itself does before it goes.
	Workloads bool
}

// selector selects what belongs to an installation of Flux.
const selector = labelPartOf + "=" + partOf

// Uninstall takes fluxd, or Flux, off a cluster: the process, then the objects and
// the definitions of its kinds, then its rights and its namespace. What was applied
// stays, and runs on, unless it is to go as well. It may be run again.
//
// Objects are suspended with the same request that takes their finalizers off. So even
// a process that is still alive, because somebody started it elsewhere, neither puts
// them on again nor prunes when the definitions go.
func Uninstall(ctx context.Context, c *Cluster, r Removal, p Progress) error {
	u := &removal{Cluster: c, Removal: r, progress: p}
	crds, err := c.list(ctx, definitions, "", selector)
	if err != nil {
		return err
	}
	steps := []func(context.Context, []unstructured.Unstructured) error{
		u.workloads, u.process, u.release, u.definitions, u.rights, u.namespace,
	}
	for _, step := range steps {
		if err := step(ctx, crds); err != nil {
			return err
		}
	}
	if c.DryRun {
		p.Done("nothing was deleted")
		return nil
	}
	p.Done("uninstall finished")
	return nil
}

type removal struct {
	*Cluster
	Removal
	progress Progress
}

// kindOf returns the resource that a definition is about, in its stored version.
func kindOf(crd *unstructured.Unstructured) schema.GroupVersionResource {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	gvr := schema.GroupVersionResource{Group: group, Resource: plural}
	for _, item := range versions {
		version, ok := item.(map[string]any)
		if ok && version["storage"] == true {
			gvr.Version, _ = version["name"].(string)
		}
	}
	return gvr
}

// workloads has fluxd delete what it applied, by deleting what it was told.
func (u *removal) workloads(ctx context.Context, _ []unstructured.Unstructured) error {
	if !u.Workloads {
		return nil
	}
	u.progress.Step("deleting what was applied")
	var waiting []*unstructured.Unstructured
	for _, gvr := range []schema.GroupVersionResource{api.KustomizationGVR, api.HelmReleaseGVR} {
		items, err := u.list(ctx, gvr, "", "")
		if err != nil {
			return err
		}
		for i := range items {
			if err := u.delete(ctx, gvr, &items[i]); err != nil {
				return err
			}
			waiting = append(waiting, &items[i])
		}
	}
	if u.DryRun {
		return nil
	}
	for _, obj := range waiting {
		gvr := api.KustomizationGVR
		if obj.GetKind() == api.HelmReleaseKind {
			gvr = api.HelmReleaseGVR
		}
		if err := u.gone(ctx, gvr, obj); err != nil {
			return fmt.Errorf("%w; does fluxd run?", err)
		}
	}
	return nil
}

// process ends the Pods.
func (u *removal) process(ctx context.Context, _ []unstructured.Unstructured) error {
	u.progress.Step("deleting the process in the namespace %s", u.Namespace)
	items, err := u.list(ctx, deployments, u.Namespace, selector)
	if err != nil {
		return err
	}
	for i := range items {
		if err := u.delete(ctx, deployments, &items[i]); err != nil {
			return err
		}
	}
	if u.DryRun {
		return nil
	}
	for i := range items {
		if err := u.gone(ctx, deployments, &items[i]); err != nil {
			return err
		}
	}
	return nil
}

// release suspends the objects of our kinds and takes the finalizers of Flux off.
func (u *removal) release(ctx context.Context, crds []unstructured.Unstructured) error {
	u.progress.Step("taking the finalizers off")
	for i := range crds {
		if err := u.releaseAll(ctx, kindOf(&crds[i])); err != nil {
			return err
		}
	}
	return nil
}

func (u *removal) releaseAll(ctx context.Context, gvr schema.GroupVersionResource) error {
	items, err := u.list(ctx, gvr, "", "")
	if err != nil {
		return err
	}
	for i := range items {
		if err := u.releaseOne(ctx, gvr, &items[i]); err != nil {
			return err
		}
	}
	return nil
}

// finalizers are those that Flux and fluxd set. Those of others are theirs.
var finalizers = []string{api.Finalizer, "source.extensions.fluxcd.io/finalizer"}

func (u *removal) releaseOne(ctx context.Context, gvr schema.GroupVersionResource, obj *unstructured.Unstructured) error {
	left := slices.DeleteFunc(obj.GetFinalizers(), func(f string) bool { return slices.Contains(finalizers, f) })
	off := len(obj.GetFinalizers()) - len(left)
	if suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); off == 0 && (suspended || !claimed(gvr)) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"finalizers": left}, "spec": map[string]any{"suspend": true},
	})
	if err != nil {
		return err
	}
	_, err = u.In(gvr, obj.GetNamespace()).Patch(ctx, obj.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: partOf})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("take the finalizers off %s: %w", name(obj), err)
	}
	if off > 0 {
		u.progress.Done("%s finalizers removed", name(obj))
	}
	return nil
}

// claimed says whether a process that has yet to see an object puts a finalizer on it.
func claimed(gvr schema.GroupVersionResource) bool {
	return gvr.Resource == api.KustomizationGVR.Resource || gvr.Resource == api.HelmReleaseGVR.Resource
}

// definitions deletes our kinds, and with them their objects.
func (u *removal) definitions(ctx context.Context, crds []unstructured.Unstructured) error {
	u.progress.Step("deleting the definitions")
	for i := range crds {
		if err := u.delete(ctx, definitions, &crds[i]); err != nil {
			return err
		}
	}
	if u.DryRun {
		return nil
	}
	for i := range crds {
		if err := u.goneWithObjects(ctx, &crds[i]); err != nil {
			return fmt.Errorf("%w: an object of it may have a finalizer of somebody else", err)
		}
	}
	return nil
}

// regain is after how long a definition that does not go has its objects released once
// more.
const regain = 5 * time.Second

// goneWithObjects waits until a definition is no more. A process that is still alive may
// have had a write of a finalizer on its way, so that this is looked after meanwhile.
func (u *removal) goneWithObjects(ctx context.Context, crd *unstructured.Unstructured) error {
	for {
		short, cancel := context.WithTimeout(ctx, regain)
		err := u.gone(short, definitions, crd)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if err := u.releaseAll(ctx, kindOf(crd)); err != nil {
			return err
		}
	}
}

// rights deletes what the process was allowed, and how it was reached.
func (u *removal) rights(ctx context.Context, _ []unstructured.Unstructured) error {
	u.progress.Step("deleting accounts and rights")
	rbac := schema.GroupVersion{Group: "rbac.authorization.k8s.io", Version: "v1"}
	for _, r := range []struct {
		gvr        schema.GroupVersionResource
		namespaced bool
	}{
		{schema.GroupVersionResource{Version: "v1", Resource: "services"}, true},
		{schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, true},
		{schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}, true},
		{rbac.WithResource("rolebindings"), true},
		{rbac.WithResource("roles"), true},
		{schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, true},
		{rbac.WithResource("clusterrolebindings"), false},
		{rbac.WithResource("clusterroles"), false},
	} {
		namespace := ""
		if r.namespaced {
			namespace = u.Namespace
		}
		items, err := u.list(ctx, r.gvr, namespace, selector)
		if err != nil {
			return err
		}
		for i := range items {
			if instance := items[i].GetLabels()[labelInstance]; instance != "" && instance != u.Namespace {
				continue // of another installation
			}
			if err := u.delete(ctx, r.gvr, &items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// namespace deletes the namespace, if nobody else lives there.
func (u *removal) namespace(ctx context.Context, _ []unstructured.Unstructured) error {
	if u.KeepNamespace {
		return nil
	}
	obj, err := u.Get(ctx, namespaces, "", u.Namespace)
	if err != nil || obj == nil {
		return err
	}
	others, err := u.list(ctx, pods, u.Namespace, labelPartOf+"!="+partOf)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		var names []string
		for i := range others[:min(len(others), 5)] {
			names = append(names, others[i].GetName())
		}
		u.progress.Note("the namespace %s stays: the Pods %s run there", u.Namespace, strings.Join(names, ", "))
		return nil
	}
	u.progress.Step("deleting the namespace %s", u.Namespace)
	if err := u.delete(ctx, namespaces, obj); err != nil || u.DryRun {
		return err
	}
	return u.gone(ctx, namespaces, obj)
}

func (u *removal) delete(ctx context.Context, gvr schema.GroupVersionResource, obj *unstructured.Unstructured) error {
	foreground := metav1.DeletePropagationForeground
	options := metav1.DeleteOptions{PropagationPolicy: &foreground}
	if u.DryRun {
		options.DryRun = []string{metav1.DryRunAll} // where there is a body, the query does not count
	}
	err := u.In(gvr, obj.GetNamespace()).Delete(ctx, obj.GetName(), options)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", name(obj), err)
	}
	u.progress.Done("%s deleted", name(obj))
	return nil
}

// gone waits until an object is no more, or is another one.
func (u *removal) gone(ctx context.Context, gvr schema.GroupVersionResource, obj *unstructured.Unstructured) error {
	err := u.Await(ctx, gvr, obj.GetNamespace(), obj.GetName(), func(now *unstructured.Unstructured) (bool, error) {
		return now == nil || now.GetUID() != obj.GetUID(), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for %s to be gone: %w", name(obj), err)
	}
	return nil
}

// name returns Kind/namespace/name.
func name(obj *unstructured.Unstructured) string {
	if obj.GetNamespace() == "" {
		return obj.GetKind() + "/" + obj.GetName()
	}
	return obj.GetKind() + "/" + obj.GetNamespace() + "/" + obj.GetName()
}
