package apply

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func (w *world) dependencies(o Owner, entries ...Entry) Report {
	w.t.Helper()
	r, err := w.Ready(w.t.Context(), o, entries)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) exists(gvr schema.GroupVersionResource, obj *unstructured.Unstructured) {
	w.api.mu.Lock()
	defer w.api.mu.Unlock()
	w.api.put(gvr, w.api.apply(nil, obj, "x", obj.GetNamespace()))
}

func (w *world) watches() int { return w.Stats().Watches }

func TestADependencyThatAppears(t *testing.T) {
	w := newWorld(t)
	e := Entry{Group: "apps", Kind: "Deployment", Namespace: "other", Name: "api"}
	r := w.dependencies(owner(), e)
	equal(t, []string{"Deployment/other/api status: 'NotFound'"}, findings(r))
	equal(t, true, r.Recheck == 0)
	w.settled()
	w.exists(deployments(), object("apps/v1", "Deployment", "other", "api", nil))
	equal(t, owner(), <-w.woken)
	equal(t, []string{"Deployment/other/api status: 'InProgress'"}, findings(w.dependencies(owner(), e)))
	w.api.status(deployments(), key{"other", "api"}, available())
	equal(t, owner(), <-w.woken)
	equal(t, true, w.dependencies(owner(), e).Healthy())

	w.api.requests()
	equal(t, true, w.dependencies(owner(), e).Healthy())
	equal(t, []string(nil), w.api.requests()) // asking again costs nothing
	equal(t, 1, w.watches())
	w.health(nil) // is about something else
	equal(t, 1, w.watches())
	w.dependencies(owner())
	equal(t, 0, w.watches())
}

func TestDependenciesShareWhatIsWatched(t *testing.T) {
	w := newWorld(t)
	other, another := Owner{"a", "b"}, Owner{"c", "d"}
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{object("apps/v1", "Deployment", "default", "web", nil)}})
	w.settled()
	applied := Entry{Group: "apps", Kind: "Deployment", Namespace: "default", Name: "web"}
	missing := Entry{Group: "apps", Kind: "Deployment", Namespace: "default", Name: "none"}
	w.dependencies(other, applied, missing)
	w.dependencies(another, applied, missing)
	equal(t, 2, w.watches()) // the kind, and the one that nobody has applied

	w.Forget(owner()) // the records of what others still ask about stay
	w.drain()
	w.api.status(deployments(), key{"default", "web"}, available())
	woken := map[Owner]bool{<-w.woken: true, <-w.woken: true}
	equal(t, map[Owner]bool{other: true, another: true}, woken)
	w.Forget(other)
	w.Forget(another)
	equal(t, 0, w.watches())
}

func TestADependencyOfAKindThatAppears(t *testing.T) {
	w := newWorld(t)
	e := Entry{Group: "example.org", Kind: "Widget", Namespace: "default", Name: "a"}
	r := w.dependencies(owner(), e)
	equal(t, []string{`Widget/default/a status: 'Unknown': no matches for kind "Widget" in group "example.org"`}, findings(r))
	equal(t, 1, w.watches())
	w.settled()

	w.exists(crdResource(), object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.org", nil))
	equal(t, owner(), <-w.woken)
	r = w.dependencies(owner(), e)
	equal(t, recheckServed, r.Recheck) // it may be served in a moment

	w.mapper.add("example.org", "v1", "Widget", "widgets", true)
	r = w.dependencies(owner(), e)
	equal(t, []string{"Widget/default/a status: 'NotFound'"}, findings(r))
	equal(t, 1, w.watches()) // of the object instead of the definitions
	w.settled()
	w.exists(schema.GroupVersionResource{Group: "example.org", Version: "v1", Resource: "widgets"}, object("example.org/v1", "Widget", "default", "a", nil))
	equal(t, owner(), <-w.woken)
	equal(t, true, w.dependencies(owner(), e).Healthy())
}
