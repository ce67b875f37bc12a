package apply

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// fakeMapper maps the kinds that it was given.
type fakeMapper struct {
	meta.RESTMapper
	mu     sync.Mutex
	kinds  map[schema.GroupKind]served
	resets int
}

func newFakeMapper() *fakeMapper {
	m := &fakeMapper{kinds: map[schema.GroupKind]served{}}
	m.add("", "v1", "ConfigMap", "configmaps", true)
	m.add("", "v1", "Secret", "secrets", true)
	m.add("", "v1", "Service", "services", true)
	m.add("", "v1", "Pod", "pods", true)
	m.add("", "v1", "Namespace", "namespaces", false)
	m.add("apps", "v1", "Deployment", "deployments", true)
	m.add("apps", "v1", "StatefulSet", "statefulsets", true)
	m.add("batch", "v1", "Job", "jobs", true)
	m.add("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false)
	m.add("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false)
	return m
}

func (m *fakeMapper) add(group, version, kind, resource string, namespaced bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kinds[schema.GroupKind{Group: group, Kind: kind}] = served{
		schema.GroupVersionResource{Group: group, Version: version, Resource: resource}, namespaced,
	}
}

func (m *fakeMapper) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.resets++
}

func (m *fakeMapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.kinds[gk]
	if !ok || len(versions) > 0 && versions[0] != v.gvr.Version {
		return nil, &meta.NoKindMatchError{GroupKind: gk, SearchedVersions: versions}
	}
	var scope meta.RESTScope = meta.RESTScopeRoot
	if v.namespaced {
		scope = meta.RESTScopeNamespace
	}
	return &meta.RESTMapping{Resource: v.gvr, GroupVersionKind: gk.WithVersion(v.gvr.Version), Scope: scope}, nil
}

// world is an applier against a fake API.
type world struct {
	*Applier
	t      testing.TB
	api    *fakeAPI
	mapper *fakeMapper
	woken  chan Owner
	inv    Inventory
}

func owner() Owner { return Owner{"flux-system", "apps"} }

func newWorld(t testing.TB, change ...func(*Config)) *world {
	w := &world{t: t, api: newFakeAPI(t), mapper: newFakeMapper(), woken: make(chan Owner, 1000)}
	cfg := Config{
		Dynamic: w.api, Mapper: w.mapper, Manager: "kustomize-controller",
		Labels: Labels{
			Name:      "kustomize.toolkit.fluxcd.io/name",
			Namespace: "kustomize.toolkit.fluxcd.io/namespace",
		},
		MarkPrefix: "kustomize.toolkit.fluxcd.io",
		Wake:       func(o Owner, _ time.Duration) { w.woken <- o },
	}
	for _, c := range change {
		c(&cfg)
	}
	w.Applier = New(cfg)
	t.Cleanup(w.Close)
	return w
}

// pass plans and applies objects, as one run of an owner would.
func (w *world) pass(r Request) (Outcome, error) {
	w.t.Helper()
	if r.Owner == (Owner{}) {
		r.Owner = owner()
	}
	for i, obj := range r.Objects {
		r.Objects[i] = obj.DeepCopy()
	}
	r.Inventory = w.inv
	p, err := w.Plan(w.t.Context(), r)
	if err != nil {
		return Outcome{}, err
	}
	w.inv = w.inv.Union(p.Additions)
	out, err := w.Apply(w.t.Context(), p)
	if err == nil && len(out.Waiting) == 0 {
		w.inv = out.Inventory
	}
	return out, err
}

// settled returns once every record is that of the object there is.
func (w *world) settled() {
	w.t.Helper()
	until(w.t, func() bool {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		w.api.mu.Lock()
		defer w.api.mu.Unlock()
		for _, src := range w.store.sources {
			if src.state == starting || src.state == live && !w.api.agrees(src) {
				return false
			}
		}
		return true
	})
}

// agrees says whether the records of src are those of the objects there are.
func (f *fakeAPI) agrees(src *source) bool {
	n := 0
	for k, obj := range f.objects[src.gvr] {
		if !selects(metav1.ListOptions{LabelSelector: src.labels, FieldSelector: src.fields}, src.namespace, obj) {
			continue
		}
		n++
		sl := src.slots[k]
		if sl == nil || !sl.here || sl.version != parseVersion(obj.GetResourceVersion()) {
			return false
		}
	}
	for _, sl := range src.slots {
		if sl.here {
			n--
		}
	}
	return n == 0
}

func until(t testing.TB, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen")
		}
	}
}

// drain returns how often somebody was woken so far.
func (w *world) drain() int {
	n := 0
	for {
		select {
		case <-w.woken:
			n++
		default:
			return n
		}
	}
}

func (w *world) awaitWake() {
	w.t.Helper()
	select {
	case <-w.woken:
	case <-time.After(10 * time.Second):
		w.t.Fatal("nobody was woken")
	}
}

func object(apiVersion, kind, namespace, name string, content map[string]any) *unstructured.Unstructured {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	obj := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}
	maps.Copy(obj, content)
	return &unstructured.Unstructured{Object: obj}
}

func configMap(name, value string) *unstructured.Unstructured {
	return object("v1", "ConfigMap", "default", name, map[string]any{"data": map[string]any{"key": value}})
}

func marked(obj *unstructured.Unstructured, key, value string) *unstructured.Unstructured {
	setPath(obj.Object, []string{"metadata", "annotations", "kustomize.toolkit.fluxcd.io/" + key}, value)
	return obj
}

func configMaps() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
}

func crdResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}
