package migration

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// state is all that there is in the namespaces of a fleet, and cluster-wide what it applied.
type state struct {
	// objects are the UID, generation and resource version of everything but the objects of
	// Flux, by kind, namespace and name. The records of Helm are among them.
	objects map[string]string
	// flux are the objects of Flux, by kind and name, without what may change.
	flux map[string]map[string]any
}

// watched are the resources that a fleet has objects of.
var watched = []schema.GroupVersionResource{
	harness.ConfigMaps, world.Secrets, harness.Services, harness.Namespaces, harness.Deployments,
	{Version: "v1", Resource: "serviceaccounts"}, {Version: "v1", Resource: "pods"},
	{Group: "apps", Version: "v1", Resource: "replicasets"}, harness.Jobs,
	{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	{Group: "example.com", Version: "v1", Resource: "widgets"},
}

// state returns that of now.
func (f *fleet) state() state {
	f.T.Helper()
	s := state{objects: map[string]string{}, flux: map[string]map[string]any{}}
	for _, gvr := range watched {
		for _, obj := range f.list(gvr) {
			if f.ours(&obj) {
				s.objects[f.short(obj.GetKind()+"/"+obj.GetNamespace()+"/"+obj.GetName())] =
					fmt.Sprint(obj.GetUID(), " generation ", obj.GetGeneration(), " version ", obj.GetResourceVersion())
			}
		}
	}
	for kind, r := range resources {
		for _, obj := range f.list(r.Name) {
			s.flux[f.short(kind+"/"+obj.GetName())] = lasting(&obj)
		}
	}
	return s
}

func (f *fleet) list(gvr schema.GroupVersionResource) []unstructured.Unstructured {
	f.T.Helper()
	list, err := f.Cluster.Dynamic.Resource(gvr).List(f.T.Context(), metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil // the kind is not there
	}
	if err != nil {
		f.T.Fatal(err)
	}
	return list.Items
}

// ours says whether an object is in a namespace of the fleet, or is one of those, or is a
// definition of its own.
func (f *fleet) ours(obj *unstructured.Unstructured) bool {
	if obj.GetKind() == "CustomResourceDefinition" {
		return strings.HasSuffix(obj.GetName(), ".example.com")
	}
	return strings.HasPrefix(obj.GetNamespace()+obj.GetName(), f.Namespace)
}

// short replaces the namespace by NS.
func (f *fleet) short(text string) string { return strings.ReplaceAll(text, f.Namespace, "NS") }

// lasting returns what a change of controllers leaves of an object of Flux: all but the
// bookkeeping of the API server and of the archive that a source is stored in.
func lasting(obj *unstructured.Unstructured) map[string]any {
	content := obj.DeepCopy().Object
	for _, path := range []string{
		"metadata managedFields", "metadata resourceVersion", "status url",
		"status artifact url", "status artifact path", "status artifact digest", "status artifact size", "status artifact lastUpdateTime",
	} {
		unstructured.RemoveNestedField(content, strings.Fields(path)...)
	}
	if included, ok, _ := unstructured.NestedSlice(content, "status", "includedArtifacts"); ok {
		for _, item := range included {
			for _, field := range []string{"url", "path", "digest", "size", "lastUpdateTime"} {
				delete(item.(map[string]any), field)
			}
		}
		_ = unstructured.SetNestedSlice(content, included, "status", "includedArtifacts") // of values that came as JSON
	}
	return content
}

// without returns s without some objects of Flux.
func (s state) without(names ...string) state {
	rest := maps.Clone(s.flux)
	for _, name := range names {
		delete(rest, name)
	}
	return state{objects: s.objects, flux: rest}
}

// steady returns s without what is counted, timed and said anew at every reconcile: of what
// is well by Flux, of what has failed by both.
func (s state) steady() state {
	steady := state{objects: s.objects, flux: map[string]map[string]any{}}
	for name, content := range s.flux {
		obj := (&object{Object: content}).DeepCopy()
		strip(obj, "conditions", "lastTransitionTime")
		if slices.Contains(failed(), name) {
			unstructured.RemoveNestedField(obj.Object, "status", "conditions")
		}
		if obj.GetKind() == "Kustomization" {
			strip(obj, "history", "lastReconciled", "lastReconciledDuration", "totalReconciliations")
		}
		steady.flux[name] = obj.Object
	}
	return steady
}

// failed are the names of the objects that have failed.
func failed() []string {
	var all []string
	for kind, names := range failures {
		for name := range names {
			all = append(all, kind+"/"+name)
		}
	}
	return all
}

// took is how a message tells how long something took.
var took = regexp.MustCompile(`passed in .*s$`)

// strip removes fields from the items of a list in a status, and times from their messages.
func strip(obj *object, list string, fields ...string) {
	items, _, _ := unstructured.NestedSlice(obj.Object, "status", list)
	for _, item := range items {
		entry := item.(map[string]any)
		for _, field := range fields {
			delete(entry, field)
		}
		if message, ok := entry["message"].(string); ok {
			entry["message"] = took.ReplaceAllString(message, "passed")
		}
	}
	if len(items) > 0 {
		_ = unstructured.SetNestedSlice(obj.Object, items, "status", list) // of values that came as JSON
	}
}

// same fails the test if anything is otherwise than it was.
func (f *fleet) same(when string, before, now state) {
	f.T.Helper()
	world.Equal(f.T, "objects "+when, before.objects, now.objects)
	world.Equal(f.T, "objects of Flux "+when, before.flux, now.flux)
}

// reconciler is who looks after a cluster, as far as it can be asked.
type reconciler interface {
	Metric(name string, labels ...string) (float64, error)
}

// settled waits until every object that is not suspended was reconciled since r started, and
// r has sent nothing for a while.
func (f *fleet) settled(r reconciler, user string) {
	f.T.Helper()
	ctx, cancel := f.within(long)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := f.unseen(r)
		if len(missing) == 0 && f.silent(user) {
			return
		}
		select {
		case <-ctx.Done():
			f.T.Fatalf("%v: not reconciled yet, or still at work: %v", ctx.Err(), missing)
		case <-tick.C:
		}
	}
}

// unseen are the objects that were not reconciled yet.
func (f *fleet) unseen(r reconciler) []string {
	f.T.Helper()
	var missing []string
	for kind, names := range flux {
		for _, name := range slices.Concat(names, slices.Collect(maps.Keys(failures[kind]))) {
			n, err := r.Metric("gotk_reconcile_duration_seconds_count", `kind="`+kind+`"`, `name="`+f.Expand(name)+`"`, `namespace="`+f.Namespace+`"`)
			if err != nil || n == 0 {
				missing = append(missing, kind+"/"+name)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// calm is for how long a user has to send nothing to count as silent: longer than it
// takes one object to wake another.
const calm = 2 * time.Second

// silent says whether a user has sent nothing for a while but what it has to keep its Lease.
func (f *fleet) silent(user string) bool {
	f.T.Helper()
	recent := time.Now().Add(-calm)
	for _, e := range f.audit(controlplane.AuditMark{}, user) {
		if e.Time.After(recent) && e.Request.Resource != "leases" && e.Request.Resource != "" {
			return false
		}
	}
	return true
}

func (f *fleet) audit(since controlplane.AuditMark, user string) []controlplane.AuditEvent {
	f.T.Helper()
	events, err := f.Cluster.AuditEvents(since, user)
	if err != nil {
		f.T.Fatal(err)
	}
	return events
}

// writes are what a user has written since a mark, and how often: to the status of objects
// of Flux, and to whatever else there is but Leases and events.
func (f *fleet) writes(since controlplane.AuditMark, user string) (status, others map[string]int) {
	f.T.Helper()
	status, others = map[string]int{}, map[string]int{}
	for _, e := range f.audit(since, user) {
		switch name := f.short(e.Request.String() + " " + e.Name); {
		case !e.Request.Writes(), e.DryRun, e.Request.Resource == "leases", e.Request.Resource == "events":
		case strings.HasSuffix(e.Request.Group, ".toolkit.fluxcd.io") && e.Request.Subresource == "status":
			status[f.short(e.Request.Resource+"/"+e.Name)]++
		default:
			others[name]++
		}
	}
	return status, others
}

// twice are those that were written more than once.
func twice(status map[string]int) map[string]int {
	more := maps.Clone(status)
	maps.DeleteFunc(more, func(_ string, n int) bool { return n == 1 })
	return more
}
