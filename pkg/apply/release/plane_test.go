package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// plane is an API server in memory that is reached without a network. It applies with
// the API machinery's own field manager, over types that are deduced: lists are atomic.
// It is a [http.RoundTripper], and it can die.
type plane struct {
	t  testing.TB
	mu sync.Mutex // guards the fields below

	version int
	objects map[string]*unstructured.Unstructured // by path
	log     []string                              // writes
	asked   int                                   // requests of any kind

	// left is how many writes are answered before the server dies; negative is no end.
	// With lost, the last of them is done, and its answer is lost.
	left int
	lost bool

	// hold are paths of objects with a finalizer; made is told of every new object.
	hold map[string]bool
	made func(path string, obj *unstructured.Unstructured)
	// refuse answers a write instead.
	refuse func(verb, path string) error
}

func newPlane(t testing.TB) *plane {
	return &plane{t: t, objects: map[string]*unstructured.Unstructured{}, left: -1, hold: map[string]bool{}}
}

// errDead is what a dead server answers.
var errDead = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// kinds are what the server serves: resource, kind and whether it is namespaced.
var kinds = map[string][]struct {
	resource, kind string
	namespaced     bool
}{
	"/v1": {
		{"configmaps", "ConfigMap", true}, {"secrets", "Secret", true}, {"services", "Service", true},
		{"pods", "Pod", true}, {"namespaces", "Namespace", false},
	},
	"apps/v1":                 {{"deployments", "Deployment", true}, {"statefulsets", "StatefulSet", true}},
	"batch/v1":                {{"jobs", "Job", true}},
	"apiextensions.k8s.io/v1": {{"customresourcedefinitions", "CustomResourceDefinition", false}},
	"example.com/v1":          {{"widgets", "Widget", true}},
}

// RoundTrip implements [http.RoundTripper].
func (p *plane) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	write := r.Method != http.MethodGet && r.URL.Query().Get("dryRun") == ""
	if p.left == 0 {
		return nil, errDead
	}
	if write && p.left > 0 {
		p.left--
		if p.left == 0 && !p.lost {
			return nil, errDead
		}
	}
	w := httptest.NewRecorder()
	p.serve(w, r, body)
	if write {
		p.log = append(p.log, fmt.Sprintf("%s %s", r.Method, short(r.URL.Path, body)))
	}
	if write && p.left == 0 {
		return nil, errDead
	}
	return w.Result(), nil
}

// short is what a log says of a request.
func short(path string, body []byte) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := slices.Index(parts, "namespaces")
	if at >= 0 && at+2 < len(parts) {
		parts = parts[at+2:]
	} else {
		parts = parts[len(parts)-min(2, len(parts)):]
	}
	var sent struct {
		Metadata struct{ Name string } `json:"metadata"`
	}
	if len(parts) == 1 && json.Unmarshal(body, &sent) == nil {
		parts = append(parts, sent.Metadata.Name)
	}
	return strings.Join(parts, "/")
}

func (p *plane) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.URL.Path == "/api" || r.URL.Path == "/apis" {
		reply(w, 200, discovery(r.URL.Path == "/api"))
		return
	}
	obj, err := p.do(r, body)
	if err != nil {
		status, ok := errors.AsType[*apierrors.StatusError](err)
		if !ok {
			status = apierrors.NewBadRequest(err.Error())
		}
		status.ErrStatus.APIVersion, status.ErrStatus.Kind = "v1", "Status"
		reply(w, int(status.ErrStatus.Code), status.ErrStatus)
		return
	}
	code := 200
	if r.Method == http.MethodPost {
		code = 201
	}
	if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
		obj = onlyMetadata(obj)
	}
	reply(w, code, obj)
}

// onlyMetadata drops what a client has not asked for.
func onlyMetadata(obj any) any {
	switch o := obj.(type) {
	case map[string]any:
		if items, ok := o["items"].([]any); ok {
			for i := range items {
				items[i] = onlyMetadata(items[i])
			}
			return o
		}
		return map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": o["metadata"]}
	case *unstructured.Unstructured:
		return onlyMetadata(o.Object)
	}
	return obj
}

func reply(w http.ResponseWriter, code int, o any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o)
}

func discovery(core bool) any {
	groups := map[string][]any{}
	for gv, list := range kinds {
		group, version, _ := strings.Cut(gv, "/")
		if (group == "") != core {
			continue
		}
		var resources []any
		for _, k := range list {
			scope := "Cluster"
			if k.namespaced {
				scope = "Namespaced"
			}
			resources = append(resources, map[string]any{"resource": k.resource, "scope": scope, "responseKind": map[string]any{
				"group": group, "version": version, "kind": k.kind,
			}})
		}
		groups[group] = append(groups[group], map[string]any{"version": version, "resources": resources})
	}
	var items []any
	for group, versions := range groups {
		items = append(items, map[string]any{"metadata": map[string]any{"name": group}, "versions": versions})
	}
	return map[string]any{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}
}

// do answers one request about objects.
func (p *plane) do(r *http.Request, body []byte) (any, error) {
	path, verb := r.URL.Path, r.Method
	if verb != http.MethodGet && p.refuse != nil {
		if err := p.refuse(verb, path); err != nil {
			return nil, err
		}
	}
	live := p.objects[path]
	dry := r.URL.Query().Get("dryRun") != ""
	switch verb {
	case http.MethodGet:
		if p.isList(path) {
			return p.list(path, r.URL.Query().Get("labelSelector")), nil
		}
		if live == nil {
			return nil, notFound(path)
		}
		return live.DeepCopy(), nil
	case http.MethodPost:
		obj := decodeObject(body)
		path += "/" + obj.GetName()
		if p.objects[path] != nil {
			return nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: "x"}, obj.GetName())
		}
		return p.put(path, nil, p.updated(nil, obj, r), dry), nil
	case http.MethodPut:
		obj := decodeObject(body)
		if live == nil {
			return nil, notFound(path)
		}
		if err := outdated(live, obj); err != nil {
			return nil, err
		}
		return p.put(path, live, p.updated(live, obj, r), dry), nil
	case http.MethodPatch:
		return p.patch(path, live, r, body, dry)
	}
	return p.remove(path, live, body)
}

func notFound(path string) error {
	parts := strings.Split(path, "/")
	return apierrors.NewNotFound(schema.GroupResource{Resource: parts[len(parts)-2]}, parts[len(parts)-1])
}

func decodeObject(body []byte) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(body); err != nil {
		panic(fmt.Sprintf("%v in %s", err, body))
	}
	return obj
}

func outdated(live, obj *unstructured.Unstructured) error {
	if v := obj.GetResourceVersion(); v != "" && v != live.GetResourceVersion() {
		return apierrors.NewConflict(schema.GroupResource{Resource: "x"}, obj.GetName(), errors.New("it has been modified"))
	}
	if u := obj.GetUID(); u != "" && u != live.GetUID() {
		return apierrors.NewConflict(schema.GroupResource{Resource: "x"}, obj.GetName(), errors.New("the UID is another"))
	}
	return nil
}

// isList says whether a path is that of a collection.
func (p *plane) isList(path string) bool {
	last := path[strings.LastIndex(path, "/")+1:]
	for _, list := range kinds {
		for _, k := range list {
			if k.resource == last {
				return true
			}
		}
	}
	return false
}

func (p *plane) list(path, selector string) any {
	l, _ := labels.Parse(selector)
	items := []any{}
	for _, at := range slices.Sorted(maps.Keys(p.objects)) {
		obj := p.objects[at]
		if strings.HasPrefix(at, path+"/") && l.Matches(labels.Set(obj.GetLabels())) {
			items = append(items, obj.DeepCopy().Object)
		}
	}
	return map[string]any{"kind": "List", "apiVersion": "v1", "metadata": map[string]any{}, "items": items}
}

// put stores obj in place of live, with a new version, unless nothing changes.
func (p *plane) put(path string, live, obj *unstructured.Unstructured, dry bool) *unstructured.Unstructured {
	if parts := strings.Split(path, "/"); len(parts) > 4 && parts[len(parts)-4] == "namespaces" {
		obj.SetNamespace(parts[len(parts)-3])
	}
	if live != nil {
		obj.SetUID(live.GetUID())
		obj.SetResourceVersion(live.GetResourceVersion())
		if same(live, obj) {
			return live.DeepCopy()
		}
	}
	if dry {
		return obj
	}
	p.version++
	obj.SetResourceVersion(strconv.Itoa(p.version))
	if live == nil {
		obj.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", p.version)))
	}
	p.objects[path] = obj
	if live == nil && p.made != nil {
		p.made(path, obj)
	}
	return obj.DeepCopy()
}

func same(a, b *unstructured.Unstructured) bool { return reflect.DeepEqual(a.Object, b.Object) }

func (p *plane) patch(path string, live *unstructured.Unstructured, r *http.Request, body []byte, dry bool) (any, error) {
	manager := r.URL.Query().Get("fieldManager")
	kind := types.PatchType(strings.Split(r.Header.Get("Content-Type"), ";")[0])
	if kind == types.ApplyPatchType {
		want := decodeObject(body)
		result, err := p.apply(live, want, manager, r.URL.Query().Get("force") == "true")
		if err != nil {
			return nil, err
		}
		if live == nil && result.GetName() == "" {
			return nil, errors.New("name is required")
		}
		return p.put(path, live, result, dry), nil
	}
	if live == nil {
		return nil, notFound(path)
	}
	before, _ := json.Marshal(live.Object)
	var after []byte
	var err error
	switch kind {
	case types.JSONPatchType:
		var ops jsonpatch.Patch
		if ops, err = jsonpatch.DecodePatch(body); err == nil {
			after, err = ops.Apply(before)
		}
	case types.StrategicMergePatchType:
		after, err = strategicpatch.StrategicMergePatch(before, body, typeOf(live))
	default:
		after, err = jsonpatch.MergePatch(before, body)
	}
	if err != nil {
		return nil, err
	}
	obj := decodeObject(after)
	if err := outdated(live, obj); err != nil {
		return nil, err
	}
	if kind != types.JSONPatchType { // which only edits managed fields here
		obj = p.updated(live, obj, r)
	}
	return p.put(path, live, obj, dry), nil
}

// updated returns obj with the managed fields of an update. Records have none.
func (p *plane) updated(live, obj *unstructured.Unstructured, r *http.Request) *unstructured.Unstructured {
	manager := r.URL.Query().Get("fieldManager")
	if manager == "" {
		return obj
	}
	gvk := obj.GroupVersionKind()
	if live == nil {
		live = &unstructured.Unstructured{Object: map[string]any{}}
		live.SetGroupVersionKind(gvk)
	}
	obj.SetManagedFields(live.GetManagedFields())
	return timeless(p.manager(gvk).UpdateNoErrors(live.DeepCopy(), obj, manager).(*unstructured.Unstructured))
}

// managers are the field managers of all planes by kind: they keep nothing.
var managers sync.Map

func (p *plane) manager(gvk schema.GroupVersionKind) *managedfields.FieldManager {
	if fm, ok := managers.Load(gvk); ok {
		return fm.(*managedfields.FieldManager)
	}
	fm, err := managedfields.NewDefaultCRDFieldManager(managedfields.NewDeducedTypeConverter(), untyped{}, untyped{}, untyped{},
		gvk, gvk.GroupVersion(), "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	managers.Store(gvk, fm)
	return fm
}

// timeless drops the times of managed fields, so that an update which changes nothing
// is none.
func timeless(obj *unstructured.Unstructured) *unstructured.Unstructured {
	fields := obj.GetManagedFields()
	for i := range fields {
		fields[i].Time = nil
	}
	obj.SetManagedFields(fields)
	return obj
}

// apply returns live after a server-side apply of want.
func (p *plane) apply(live, want *unstructured.Unstructured, manager string, force bool) (*unstructured.Unstructured, error) {
	gvk := want.GroupVersionKind()
	if live == nil {
		live = &unstructured.Unstructured{Object: map[string]any{}}
		live.SetGroupVersionKind(gvk)
		live.SetName(want.GetName())
	}
	want.SetManagedFields(nil)
	result, err := p.manager(gvk).Apply(live.DeepCopy(), want, manager, force)
	if err != nil {
		return nil, err
	}
	return timeless(result.(*unstructured.Unstructured)), nil
}

// untyped converts nothing, because nothing has another version.
type untyped struct{}

func (untyped) Convert(in, out, _ any) error {
	*out.(*unstructured.Unstructured) = *in.(*unstructured.Unstructured).DeepCopy()
	return nil
}

func (untyped) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (untyped) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
func (untyped) Default(runtime.Object) {}
func (untyped) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(gvk)
	return obj, nil
}

func (p *plane) remove(path string, live *unstructured.Unstructured, body []byte) (any, error) {
	if live == nil {
		return nil, notFound(path)
	}
	var o metav1.DeleteOptions
	_ = json.Unmarshal(body, &o)
	if o.Preconditions != nil && o.Preconditions.UID != nil && *o.Preconditions.UID != live.GetUID() {
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "x"}, live.GetName(), errors.New("the UID is another"))
	}
	if p.hold[path] {
		obj := live.DeepCopy()
		if obj.GetDeletionTimestamp() == nil {
			obj.SetDeletionTimestamp(new(metav1.Now()))
			p.put(path, live, obj, false)
		}
		return obj, nil
	}
	p.version++
	delete(p.objects, path)
	return metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Success"}, nil
}

// writes returns those since the last call.
func (p *plane) writes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	log := p.log
	p.log = nil
	return log
}

func (p *plane) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.asked
	p.asked = 0
	return n
}

// revive lets the server answer again; it dies after n writes if n is not negative.
func (p *plane) revive(n int, lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.lost = n, lost
}

func (p *plane) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left == 0
}

// get returns an object by what comes behind the namespace in its path, nil if there
// is none.
func (p *plane) get(path string) *unstructured.Unstructured {
	p.mu.Lock()
	defer p.mu.Unlock()
	if obj := p.objects[path]; obj != nil {
		return obj.DeepCopy()
	}
	return nil
}

// edit changes an object, or removes it if f returns nil.
func (p *plane) edit(path string, f func(*unstructured.Unstructured) *unstructured.Unstructured) {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := p.objects[path]
	if live == nil {
		p.t.Fatalf("there is no %s", path)
	}
	obj := f(live.DeepCopy())
	if obj == nil {
		delete(p.objects, path)
		return
	}
	if obj.GetManagedFields() != nil {
		timeless(p.manager(obj.GroupVersionKind()).UpdateNoErrors(live.DeepCopy(), obj, "somebody").(*unstructured.Unstructured))
	}
	p.put(path, live, obj, false)
}

// paths returns those of all objects but Secrets of releases.
func (p *plane) paths() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for path := range p.objects {
		if !strings.Contains(path, "/sh.helm.release.v1.") {
			all = append(all, path[strings.LastIndex(path[:strings.LastIndex(path, "/")], "/")+1:])
		}
	}
	slices.Sort(all)
	return all
}

// typeOf returns the Go type of an object, for strategic patches.
func typeOf(obj *unstructured.Unstructured) any {
	switch obj.GetKind() {
	case "Deployment":
		return &appsv1.Deployment{}
	case "Service":
		return &corev1.Service{}
	}
	return &corev1.ConfigMap{}
}

func forbidden(what string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: what}, "x", errors.New("you may not"))
}

func unavailable() error { return apierrors.NewServiceUnavailable("Unavailable") }
