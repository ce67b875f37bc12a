package apply

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// served is how the API server serves a kind.
type served struct {
	gvr        schema.GroupVersionResource
	namespaced bool
}

// place returns the key of an object of the kind, whatever namespace it was given.
func (v served) place(namespace, name string) key {
	if !v.namespaced {
		namespace = ""
	}
	return key{namespace, name}
}

// mapper answers how kinds are served, for one pass. What it does not find makes it
// forget what it knew once, because kinds come and go with CRDs.
type mapper struct {
	meta.RESTMapper
	wasReset bool
	// declared are the kinds whose CRDs are among the desired objects. They may not
	// be served yet.
	declared map[schema.GroupKind]declaration
}

// declaration is what a CRD says about its kind.
type declaration struct {
	namespaced bool
	versions   []string
}

// resetter is a mapper that can be told to forget.
type resetter interface{ Reset() }

// find returns how a kind is served. With no version, or with one that is not
// served any more, it is the preferred one.
func (m *mapper) find(gvk schema.GroupVersionKind) (served, error) {
	v, err := m.lookup(gvk)
	if meta.IsNoMatchError(err) && m.reset() {
		v, err = m.lookup(gvk)
	}
	return v, err
}

// known is find without forgetting: for kinds that may well not be served yet.
func (m *mapper) known(gvk schema.GroupVersionKind) (served, error) {
	if _, own := m.declared[gvk.GroupKind()]; own {
		return m.lookup(gvk)
	}
	return m.find(gvk)
}

func (m *mapper) lookup(gvk schema.GroupVersionKind) (served, error) {
	var versions []string
	if gvk.Version != "" {
		versions = []string{gvk.Version}
	}
	r, err := m.RESTMapping(gvk.GroupKind(), versions...)
	if err != nil {
		return served{}, err
	}
	return served{r.Resource, r.Scope.Name() == meta.RESTScopeNameNamespace}, nil
}

// any is find for an object that is to be looked at or deleted, at whatever version.
func (m *mapper) any(e Entry) (served, error) {
	v, err := m.lookup(e.GroupVersionKind())
	if meta.IsNoMatchError(err) {
		v, err = m.find(e.GroupKind().WithVersion(""))
	}
	return v, err
}

func (m *mapper) reset() bool {
	r, ok := m.RESTMapper.(resetter)
	if !ok || m.wasReset {
		return false
	}
	m.wasReset = true
	r.Reset()
	return true
}

// declare notes the kinds that the CRDs among objects define.
func (m *mapper) declare(objects []*unstructured.Unstructured) {
	for _, obj := range objects {
		gvk := obj.GroupVersionKind()
		if gvk.Group != "apiextensions.k8s.io" || gvk.Kind != "CustomResourceDefinition" {
			continue
		}
		d := declaration{namespaced: text(obj, "spec", "scope") != "Cluster"}
		versions, _ := field(obj, "spec", "versions").([]any)
		for _, v := range versions {
			v, _ := v.(map[string]any)
			if name, _ := v["name"].(string); v["served"] == true {
				d.versions = append(d.versions, name)
			}
		}
		if m.declared == nil {
			m.declared = map[schema.GroupKind]declaration{}
		}
		m.declared[schema.GroupKind{Group: text(obj, "spec", "group"), Kind: text(obj, "spec", "names", "kind")}] = d
	}
}

// clusterScoped says that a CRD among the desired objects puts its kind at cluster
// scope.
func (m *mapper) clusterScoped(gk schema.GroupKind) bool {
	d, ok := m.declared[gk]
	return ok && !d.namespaced
}

// expects says that a CRD among the desired objects has the API server serve gvk.
func (m *mapper) expects(gvk schema.GroupVersionKind) bool {
	return slices.Contains(m.declared[gvk.GroupKind()].versions, gvk.Version)
}
