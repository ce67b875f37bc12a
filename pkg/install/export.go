package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
)

// Selection says which objects are exported.
type Selection struct {
	// Namespace is where they are; empty means everywhere.
	Namespace string
	// Kind is that of the objects, in the singular, the plural or as a short name;
	// empty means every kind. Name is that of one object, empty means all.
	Kind, Name string
	// Sources adds the sources that they refer to, Secrets the Secrets.
	Sources, Secrets bool
}

var secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// ErrNoObject says that there is nothing to export.
var ErrNoObject = errors.New("no object found")

// Export returns objects as somebody would write them into Git: what the API server and
// the controllers added is left out.
func Export(ctx context.Context, c *Cluster, s Selection) (Objects, error) {
	kinds, err := kindsOf(s.Kind)
	if err != nil {
		return nil, err
	}
	var found Objects
	for _, r := range kinds {
		items, err := c.list(ctx, r.Name, s.Namespace, "")
		if err != nil {
			return nil, err
		}
		for i := range items {
			if s.Name == "" || items[i].GetName() == s.Name {
				found = append(found, &items[i])
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoObject, strings.TrimSpace(s.Kind+" "+s.Name))
	}
	if s.Sources {
		if found, err = c.withSources(ctx, found); err != nil {
			return nil, err
		}
	}
	if s.Secrets {
		if found, err = c.withSecrets(ctx, found); err != nil {
			return nil, err
		}
	}
	for i, obj := range found {
		found[i] = written(obj)
	}
	return found, nil
}

// kindsOf returns the kinds of a name.
func kindsOf(name string) ([]api.Resource, error) {
	if name == "" {
		return api.Resources(), nil
	}
	short := map[string]string{
		"ks": "kustomization", "hr": "helmrelease", "gitrepo": "gitrepository", "ocirepo": "ocirepository",
		"helmrepo": "helmrepository", "hc": "helmchart", "ea": "externalartifact", "imgrepo": "imagerepository",
		"imgpol": "imagepolicy", "iua": "imageupdateautomation",
	}
	wanted := strings.ToLower(strings.ReplaceAll(name, "-", ""))
	if long, ok := short[wanted]; ok {
		wanted = long
	}
	all := api.Resources()
	kept := slices.DeleteFunc(slices.Clone(all), func(r api.Resource) bool {
		return strings.ToLower(r.Kind.Kind) != wanted && r.Name.Resource != wanted
	})
	if len(kept) > 0 {
		return kept, nil
	}
	var names []string
	for _, r := range all {
		names = append(names, strings.ToLower(r.Kind.Kind))
	}
	return nil, fmt.Errorf("%q is no kind; there are: %s", name, strings.Join(names, ", "))
}

// withSources adds the sources that objects refer to.
func (c *Cluster) withSources(ctx context.Context, objects Objects) (Objects, error) {
	all := objects
	for _, obj := range objects {
		var err error
		walk(obj.Object["spec"], func(key string, ref map[string]any) {
			kind, name, namespace := text(ref, "kind"), text(ref, "name"), text(ref, "namespace")
			if err != nil || key != "sourceRef" && key != "chartRef" || name == "" {
				return
			}
			var kinds []api.Resource
			if kinds, err = kindsOf(kind); err != nil || len(kinds) != 1 {
				return
			}
			if namespace == "" {
				namespace = obj.GetNamespace()
			}
			all, err = c.add(ctx, all, kinds[0].Name, namespace, name)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// withSecrets adds the Secrets that objects refer to, before them.
func (c *Cluster) withSecrets(ctx context.Context, objects Objects) (Objects, error) {
	var found Objects
	for _, obj := range objects {
		var err error
		walk(obj.Object["spec"], func(key string, ref map[string]any) {
			if err != nil || text(ref, "name") == "" || !strings.HasSuffix(strings.ToLower(key), "secretref") && text(ref, "kind") != "Secret" {
				return
			}
			found, err = c.add(ctx, found, secrets, obj.GetNamespace(), text(ref, "name"))
		})
		if err != nil {
			return nil, err
		}
	}
	return append(found, objects...), nil
}

// add reads an object, unless it is in the list already or does not exist.
func (c *Cluster) add(ctx context.Context, list Objects, gvr schema.GroupVersionResource, namespace, name string) (Objects, error) {
	obj, err := c.Get(ctx, gvr, namespace, name)
	if err != nil || obj == nil || len(Objects{obj}.Without(list)) == 0 {
		return list, err
	}
	return append(list, obj), nil
}

func text(fields map[string]any, name string) string {
	s, _ := fields[name].(string)
	return s
}

// walk calls f with every mapping below value and its key; items of a list have that
// of the list.
func walk(value any, f func(key string, fields map[string]any)) {
	var at func(key string, value any)
	at = func(key string, value any) {
		switch v := value.(type) {
		case map[string]any:
			f(key, v)
			for _, name := range slices.Sorted(maps.Keys(v)) {
				at(name, v[name])
			}
		case []any:
			for _, item := range v {
				at(key, item)
			}
		}
	}
	at("", value)
}

// passing are annotations that speak of a moment.
var passing = []string{
	api.AnnotationReconcileRequest, api.AnnotationForceRequest, api.AnnotationResetRequest,
	"kubectl.kubernetes.io/last-applied-configuration",
}

// written returns an object as somebody would write it.
func written(obj *unstructured.Unstructured) *unstructured.Unstructured {
	bare := &unstructured.Unstructured{Object: map[string]any{}}
	for key, value := range obj.Object {
		if key != "metadata" && key != "status" {
			bare.Object[key] = value
		}
	}
	bare.SetName(obj.GetName())
	bare.SetNamespace(obj.GetNamespace())
	if labels := obj.GetLabels(); len(labels) > 0 {
		bare.SetLabels(labels)
	}
	annotations := obj.GetAnnotations()
	for _, key := range passing {
		delete(annotations, key)
	}
	if len(annotations) > 0 {
		bare.SetAnnotations(annotations)
	}
	return bare
}
