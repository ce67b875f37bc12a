package install

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	labelPartOf    = "app.kubernetes.io/part-of"
	labelInstance  = "app.kubernetes.io/instance"
	labelComponent = "app.kubernetes.io/component"
	labelManagedBy = "app.kubernetes.io/managed-by"
	partOf         = "flux"
	// program is the name of the Deployment and of the component.
	program = "fluxd"
)

// Edit changes objects that were built from deploy/ as o says, and returns those that
// are left.
func (o Options) Edit(objects Objects) (Objects, error) {
	image, err := o.Reference()
	if err != nil {
		return nil, err
	}
	kept := objects[:0:0]
	for _, obj := range objects {
		if !o.NetworkPolicy && obj.GetKind() == "NetworkPolicy" {
			continue
		}
		o.move(obj)
		if obj.GetKind() == "Deployment" {
			if err := o.configure(obj, image); err != nil {
				return nil, err
			}
		}
		kept = append(kept, obj)
	}
	return kept, nil
}

// move takes obj to the namespace of o. Names of objects without a namespace end with
// that of the installation, so that there can be two.
func (o Options) move(obj *unstructured.Unstructured) {
	if obj.GetNamespace() == DefaultNamespace {
		obj.SetNamespace(o.Namespace)
	}
	if obj.GetKind() == "Namespace" && obj.GetName() == DefaultNamespace {
		obj.SetName(o.Namespace)
	}
	obj.SetName(o.renamed(obj.GetName()))
	o.relabel(obj.Object, "metadata", "labels")
	o.relabel(obj.Object, "spec", "template", "metadata", "labels")
	if name, ok, _ := unstructured.NestedString(obj.Object, "roleRef", "name"); ok {
		_ = unstructured.SetNestedField(obj.Object, o.renamed(name), "roleRef", "name") // its parent is there
	}
	subjects, _, _ := unstructured.NestedSlice(obj.Object, "subjects")
	for _, subject := range subjects {
		if s, ok := subject.(map[string]any); ok && s["namespace"] == DefaultNamespace {
			s["namespace"] = o.Namespace
		}
	}
	if len(subjects) > 0 {
		obj.Object["subjects"] = subjects
	}
}

func (o Options) renamed(name string) string {
	if bare, ok := strings.CutSuffix(name, "-"+DefaultNamespace); ok {
		return bare + "-" + o.Namespace
	}
	return name
}

func (o Options) relabel(obj map[string]any, path ...string) {
	labels, ok, _ := unstructured.NestedStringMap(obj, path...)
	if !ok || labels[labelInstance] == "" {
		return
	}
	labels[labelInstance] = o.Namespace
	_ = unstructured.SetNestedStringMap(obj, labels, path...) // it was read from there
}

// configure sets what o says of the Pod.
func (o Options) configure(deployment *unstructured.Unstructured, image string) error {
	pod, ok, err := unstructured.NestedMap(deployment.Object, "spec", "template", "spec")
	if err != nil || !ok {
		return fmt.Errorf("the Deployment %s has no template", deployment.GetName())
	}
	containers, _ := pod["containers"].([]any)
	for _, c := range containers {
		container, ok := c.(map[string]any)
		if !ok {
			continue
		}
		if name, _, _ := strings.Cut(fmt.Sprint(container["image"]), ":"); name == placeholder {
			container["image"] = image
		}
		args, _ := container["args"].([]any)
		for i, arg := range args {
			args[i] = o.argument(fmt.Sprint(arg))
		}
	}
	if o.ImagePullSecret != "" {
		pod["imagePullSecrets"] = []any{map[string]any{"name": o.ImagePullSecret}}
	}
	for _, key := range o.TolerationKeys {
		tolerations, _ := pod["tolerations"].([]any)
		pod["tolerations"] = append(tolerations, map[string]any{"key": key, "operator": "Exists"})
	}
	return unstructured.SetNestedMap(deployment.Object, pod, "spec", "template", "spec")
}

// argument returns an argument of the process as o has it.
func (o Options) argument(arg string) string {
	flag, _, _ := strings.Cut(arg, "=")
	switch flag {
	case "--log-level":
		return flag + "=" + o.LogLevel
	case "--watch-all-namespaces":
		return fmt.Sprintf("%s=%t", flag, o.WatchAllNamespaces)
	}
	return strings.Replace(arg, ".svc."+defaultDomain, ".svc."+strings.TrimSuffix(o.ClusterDomain, "."), 1)
}

// FromGit takes off the label that makes `flux install` ask before it goes on: an
// installation that lives in Git is upgraded there, by whoever does it.
func (objects Objects) FromGit() Objects {
	for _, obj := range objects {
		labels := obj.GetLabels()
		delete(labels, labelManagedBy)
		obj.SetLabels(labels)
	}
	return objects
}

// Without returns the objects that others lacks.
func (objects Objects) Without(others Objects) Objects {
	same := func(a, b *unstructured.Unstructured) bool {
		return a.GetKind() == b.GetKind() && a.GetName() == b.GetName() && a.GetNamespace() == b.GetNamespace() &&
			a.GroupVersionKind().Group == b.GroupVersionKind().Group
	}
	return slices.DeleteFunc(slices.Clone(objects), func(obj *unstructured.Unstructured) bool {
		return slices.ContainsFunc(others, func(other *unstructured.Unstructured) bool { return same(obj, other) })
	})
}

// Of returns the objects of some kinds.
func (objects Objects) Of(kinds ...string) Objects {
	return slices.DeleteFunc(slices.Clone(objects), func(obj *unstructured.Unstructured) bool {
		return !slices.Contains(kinds, obj.GetKind())
	})
}
