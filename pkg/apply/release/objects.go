package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

// What Helm writes on objects, and reads of them.
const (
	labelManagedBy      = "app.kubernetes.io/managed-by"
	managedByHelm       = "Helm"
	annotationName      = "meta.helm.sh/release-name"
	annotationNamespace = "meta.helm.sh/release-namespace"
	annotationPolicy    = "helm.sh/resource-policy"
	policyKeep          = "keep"
	annotationHook      = "helm.sh/hook"
)

// parse returns the objects in a manifest, in order, those of lists one by one.
func parse(manifest string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	err := eachObject(manifest, func(obj *unstructured.Unstructured) error {
		objects = append(objects, obj)
		return nil
	})
	return objects, err
}

// flatten adds an object, or those of a list.
func flatten(objects []*unstructured.Unstructured, obj *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	if !obj.IsList() {
		if obj.GetAPIVersion() == "" || obj.GetName() == "" {
			return nil, fmt.Errorf("%s %q: apiVersion and metadata.name have to be set", obj.GetKind(), obj.GetName())
		}
		return append(objects, obj), nil
	}
	err := obj.EachListItem(func(item runtime.Object) error {
		u, ok := item.(*unstructured.Unstructured)
		if !ok {
			return errors.New("a list holds what is no object")
		}
		var err error
		objects, err = flatten(objects, u)
		return err
	})
	return objects, err
}

// objects returns those of a manifest, each in its namespace.
func (t Target) objects(manifest, namespace string) ([]*unstructured.Unstructured, error) {
	objects, err := parse(manifest)
	if err != nil {
		return nil, fmt.Errorf("unable to build kubernetes objects from release manifest: %w", err)
	}
	return objects, t.Applier.Place(objects, namespace)
}

// own puts on objects whose they are.
func (t Target) own(objects []*unstructured.Unstructured) {
	for _, obj := range objects {
		labels, annotations := obj.GetLabels(), obj.GetAnnotations()
		if labels == nil {
			labels = map[string]string{}
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		labels[labelManagedBy] = managedByHelm
		annotations[annotationName], annotations[annotationNamespace] = t.Name, t.Namespace
		obj.SetLabels(labels)
		obj.SetAnnotations(annotations)
	}
}

// foreign returns why an object is not one of the release, in the words of Helm.
func (t Target) foreign(live *unstructured.Unstructured) error {
	var why []string
	for _, c := range []struct {
		kind  string
		has   map[string]string
		k, to string
	}{
		{"label", live.GetLabels(), labelManagedBy, managedByHelm},
		{"annotation", live.GetAnnotations(), annotationName, t.Name},
		{"annotation", live.GetAnnotations(), annotationNamespace, t.Namespace},
	} {
		is, ok := c.has[c.k]
		switch {
		case !ok:
			why = append(why, fmt.Sprintf("%s validation error: missing key %q: must be set to %q", c.kind, c.k, c.to))
		case is != c.to:
			why = append(why, fmt.Sprintf("%s validation error: key %q must equal %q: current value is %q", c.kind, c.k, c.to, is))
		}
	}
	if len(why) == 0 {
		return nil
	}
	return fmt.Errorf("%s %q in namespace %q exists and cannot be imported into the current release: invalid ownership metadata; %s",
		live.GetKind(), live.GetName(), live.GetNamespace(), strings.Join(why, "; "))
}

// others says that an object has become that of another release.
func (t Target) others(live *unstructured.Unstructured) bool {
	a := live.GetAnnotations()
	name, namespace := a[annotationName], a[annotationNamespace]
	return live.GetLabels()[labelManagedBy] == managedByHelm && name != "" && namespace != "" &&
		(name != t.Name || namespace != t.Namespace)
}

// spares says that an object stays although a record names it: it is another release's,
// or, where others may write the records, it does not carry the labels of the owner.
func (t Target) spares(live *unstructured.Unstructured) bool {
	if t.others(live) || t.Vouch == nil {
		return t.others(live)
	}
	l := live.GetLabels()
	return l[api.LabelHelmReleaseName] != t.Owner.Name || l[api.LabelHelmReleaseNamespace] != t.Owner.Namespace
}

// kept says that an object is to stay when its release goes without it.
func kept(obj *unstructured.Unstructured) bool {
	return strings.ToLower(strings.TrimSpace(obj.GetAnnotations()[annotationPolicy])) == policyKeep
}

// entries are those of objects, without hooks.
func entries(objects []*unstructured.Unstructured) apply.Inventory {
	inv := make(apply.Inventory, 0, len(objects))
	for _, obj := range objects {
		if _, hook := obj.GetAnnotations()[annotationHook]; !hook {
			inv = append(inv, apply.EntryOf(obj))
		}
	}
	return inv
}

// EntriesOf returns the objects in manifests, as an inventory has them: without
// hooks, with the namespace of the release where none is given. One object is in memory
// at a time.
func EntriesOf(t Target, manifests ...string) (apply.Inventory, error) {
	var inv apply.Inventory
	for _, m := range manifests {
		err := eachObject(m, func(obj *unstructured.Unstructured) error {
			one := []*unstructured.Unstructured{obj}
			if err := t.Applier.Place(one, t.Namespace); err != nil {
				return err
			}
			inv = inv.Union(entries(one))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("unable to build kubernetes objects: %w", err)
		}
	}
	return inv, nil
}

// uninstallOrder are kinds in the order in which Helm 4 deletes them. Others follow.
func uninstallOrder() []string {
	return []string{
		"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "APIService", "Ingress", "IngressClass",
		"Service", "CronJob", "Job", "StatefulSet", "HorizontalPodAutoscaler", "Deployment", "ReplicaSet",
		"ReplicationController", "Pod", "DaemonSet", "RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole",
		"CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume", "StorageClass", "ConfigMap", "Secret",
		"ServiceAccount", "PodDisruptionBudget", "PodSecurityPolicy", "LimitRange", "ResourceQuota", "NetworkPolicy",
		"Namespace", "PriorityClass",
	}
}

// forUninstall puts objects in the order in which they are deleted.
func forUninstall(objects []*unstructured.Unstructured) {
	order := uninstallOrder()
	rank := func(kind string) int {
		if i := slices.Index(order, kind); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int {
		if c := rank(a.GetKind()) - rank(b.GetKind()); c != 0 {
			return c
		}
		return strings.Compare(a.GetKind(), b.GetKind())
	})
}
