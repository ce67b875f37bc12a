package apply

import (
	"context"
	"slices"
	"sync"
	"testing"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// tenantAPI is the fake API as somebody sees it who may do what is allowed. It
// keeps the requests of that somebody.
type tenantAPI struct {
	*fakeAPI
	mu      sync.Mutex
	allowed bool
	sent    []string
}

func (a *tenantAPI) Resource(gvr schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return &tenantResource{NamespaceableResourceInterface: a.fakeAPI.Resource(gvr), api: a, gvr: gvr}
}

// requests returns the requests since the last call, sorted.
func (a *tenantAPI) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	sent := a.sent
	a.sent = nil
	slices.Sort(sent)
	return sent
}

func (a *tenantAPI) may(verb string, gvr schema.GroupVersionResource, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, verb+" "+gvr.Resource+" "+name)
	if a.allowed {
		return nil
	}
	return apierrors.NewForbidden(gvr.GroupResource(), name, nil)
}

type tenantResource struct {
	dynamic.NamespaceableResourceInterface
	space dynamic.ResourceInterface
	api   *tenantAPI
	gvr   schema.GroupVersionResource
}

func (r *tenantResource) Namespace(ns string) dynamic.ResourceInterface {
	return &tenantResource{r.NamespaceableResourceInterface, r.NamespaceableResourceInterface.Namespace(ns), r.api, r.gvr}
}

func (r *tenantResource) Get(ctx context.Context, name string, o metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	if err := r.api.may("get", r.gvr, name); err != nil {
		return nil, err
	}
	return r.space.Get(ctx, name, o)
}

func (r *tenantResource) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, o metav1.PatchOptions, _ ...string) (*unstructured.Unstructured, error) {
	verb := "patch"
	if len(o.DryRun) > 0 {
		verb = "dry"
	}
	if err := r.api.may(verb, r.gvr, name); err != nil {
		return nil, err
	}
	return r.space.Patch(ctx, name, pt, data, o)
}

func (r *tenantResource) Delete(ctx context.Context, name string, o metav1.DeleteOptions, _ ...string) error {
	if err := r.api.may("delete", r.gvr, name); err != nil {
		return err
	}
	return r.space.Delete(ctx, name, o)
}

func (r *tenantResource) Watch(context.Context, metav1.ListOptions) (watch.Interface, error) {
	return nil, apierrors.NewForbidden(r.gvr.GroupResource(), "", nil) // nobody gives tenants that
}

// tenant returns w as somebody else.
func (w *world) tenant(name string, allowed bool) (*world, *tenantAPI) {
	api := &tenantAPI{fakeAPI: w.api, allowed: allowed}
	as := *w
	as.Applier = w.As(name, api)
	return &as, api
}

func one() Request { return Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}} }

func TestTenantWritesAsItself(t *testing.T) {
	w := newWorld(t)
	tenant, api := w.tenant("tenant", true)
	out, err := tenant.pass(one())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, true, out.Changes.Wrote())
	equal(t, []string{"dry configmaps a", "patch configmaps a"}, api.requests())
	w.settled()
	equal(t, 0, w.drain())

	_, _ = tenant.pass(one())
	equal(t, []string(nil), api.requests()) // what it left it may remember
	r, _ := tenant.Health(t.Context(), owner(), tenant.inv)
	equal(t, true, r.Healthy())
	equal(t, []string(nil), api.requests())

	w.api.edit(configMaps(), key{"default", "a"}, "somebody", "2", "data", "key")
	w.awaitWake()
	_, _ = tenant.pass(one())
	equal(t, []string{"patch configmaps a"}, api.requests())

	changes, _, err := tenant.Prune(t.Context(), owner(), tenant.inv)
	if err != nil || len(changes) != 1 {
		t.Fatal(changes, err)
	}
	equal(t, []string{"delete configmaps a"}, api.requests())
}

// Whatever the records know, a tenant without rights sends its requests and is
// refused: it neither takes an object for its own nor learns that there is one.
func TestTenantLearnsNothingFromRecords(t *testing.T) {
	cases := map[string]struct {
		author string // who has left the object; nobody is the process itself
		edit   func(*world, key)
	}{
		"the object is there":                 {},
		"another tenant has left it":          {author: "other"},
		"it is marked to be left alone":       {edit: annotate("ssa", "Ignore")},
		"it is marked to be kept":             {edit: annotate("prune", "disabled")},
		"it is marked not to be reconciled":   {edit: annotate("reconcile", "disabled")},
		"it is one of another owner's":        {edit: relabel("other")},
		"it is not there, which it asks, too": {edit: func(w *world, k key) { w.api.remove(configMaps(), k) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w
			if c.author != "" {
				before, _ = w.tenant(c.author, true)
			}
			if _, err := before.pass(one()); err != nil {
				t.Fatal(err)
			}
			w.settled()
			if c.edit != nil {
				c.edit(w, key{"default", "a"})
			}
			w.settled()
			tenant, api := w.tenant("tenant", false)
			tenant.inv = before.inv

			_, err := tenant.pass(one())
			if !apierrors.IsForbidden(err) {
				t.Errorf("applied with %v", err)
			}
			equal(t, []string{"dry configmaps a"}, api.requests())
			changes, left, err := tenant.Prune(t.Context(), owner(), before.inv)
			if !apierrors.IsForbidden(err) || len(changes) != 0 {
				t.Errorf("pruned %v with %v", changes, err)
			}
			equal(t, before.inv, left)
			equal(t, []string{"get configmaps a"}, api.requests())
			r, _ := tenant.Health(t.Context(), owner(), before.inv)
			equal(t, "Unknown", r.Findings[0].Status.String())
			equal(t, []string{"get configmaps a"}, api.requests())
		})
	}
}

func annotate(name, value string) func(*world, key) {
	return func(w *world, k key) {
		w.api.edit(configMaps(), k, "other", value, "metadata", "annotations", "kustomize.toolkit.fluxcd.io/"+name)
	}
}

func relabel(to string) func(*world, key) {
	return func(w *world, k key) {
		w.api.edit(configMaps(), k, "other", to, "metadata", "labels", "kustomize.toolkit.fluxcd.io/name")
	}
}

// A tenant that takes over what the process left is compared, not written.
func TestAnotherIdentityComparesFirst(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(one())
	w.settled()
	tenant, api := w.tenant("tenant", true)
	tenant.inv = w.inv
	out, err := tenant.pass(one())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, false, out.Changes.Wrote())
	equal(t, []string{"dry configmaps a"}, api.requests())
	_, _ = tenant.pass(one())
	equal(t, []string(nil), api.requests())
}

func TestTells(t *testing.T) {
	tenant, other := me(), me()
	tenant.as, other.as = unique.Make("tenant"), unique.Make("other")
	s := &slot{here: true, left: left{author: tenant}}
	equal(t, []bool{true, true, false}, []bool{s.tells(me()), s.tells(tenant), s.tells(other)})
	labelled := &slot{here: true, record: record{owner: tenant.owner}}
	equal(t, []bool{true, false}, []bool{labelled.tells(me()), labelled.tells(tenant)})
}
