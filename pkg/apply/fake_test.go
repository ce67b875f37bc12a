package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// fakeAPI is an API server in memory that behaves as far as this package can tell:
// server-side apply with ownership (every list is atomic unless its items have
// names), dry-runs, preconditions, and watches that stream their list. What depends
// on real schemas is tested against a real one in test/apply.
type fakeAPI struct {
	t  testing.TB
	mu sync.Mutex
	// version is the last resource version that was given out.
	version int
	objects map[schema.GroupVersionResource]map[key]*unstructured.Unstructured
	streams map[*fakeStream]struct{}
	history []change
	log     []string
	// refuse is asked before every request but watches.
	refuse func(verb string, e Entry, obj *unstructured.Unstructured) error
	// forbidden are resources that cannot be listed or watched.
	forbidden map[string]bool
	// hold are finalized objects: a delete only marks them.
	hold map[key]bool
	// unwatchable is asked before every watch.
	unwatchable func(metav1.ListOptions) error
	// opaque: versions are no numbers.
	opaque bool
	// arriving and answering are called before a list or a watch that begins with one
	// is carried out, and before the answer to a write is sent. They may block.
	arriving, answering func()
	// lists and watches count those requests.
	lists, watches int
}

// text returns a version as it is sent.
func (f *fakeAPI) text(version int) string {
	if f.opaque {
		return "v" + strconv.Itoa(version)
	}
	return strconv.Itoa(version)
}

func newFakeAPI(t testing.TB) *fakeAPI {
	return &fakeAPI{
		t: t, version: 1, objects: map[schema.GroupVersionResource]map[key]*unstructured.Unstructured{},
		streams: map[*fakeStream]struct{}{}, forbidden: map[string]bool{}, hold: map[key]bool{},
	}
}

// requests returns the requests so far, without watches, and forgets them.
func (f *fakeAPI) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	slices.Sort(log)
	return log
}

func (f *fakeAPI) note(verb string, gvr schema.GroupVersionResource, name string) {
	f.log = append(f.log, strings.TrimSpace(verb+" "+gvr.Resource+" "+name))
}

// Resource implements dynamic.Interface.
func (f *fakeAPI) Resource(gvr schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return &fakeResource{api: f, gvr: gvr}
}

type fakeResource struct {
	dynamic.NamespaceableResourceInterface // what is not faked panics
	api                                    *fakeAPI
	gvr                                    schema.GroupVersionResource
	namespace                              string
}

func (r *fakeResource) Namespace(ns string) dynamic.ResourceInterface {
	return &fakeResource{api: r.api, gvr: r.gvr, namespace: ns}
}

func (r *fakeResource) gr() schema.GroupResource { return r.gvr.GroupResource() }

func (r *fakeResource) entry(name string) Entry {
	return Entry{Group: r.gvr.Group, Version: r.gvr.Version, Kind: r.gvr.Resource, Namespace: r.namespace, Name: name}
}

func (r *fakeResource) begin(verb, name string, obj *unstructured.Unstructured) error {
	r.api.note(verb, r.gvr, name)
	if r.api.refuse != nil {
		return r.api.refuse(verb, r.entry(name), obj)
	}
	return nil
}

func (r *fakeResource) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	if err := r.begin("get", name, nil); err != nil {
		return nil, err
	}
	obj := r.api.objects[r.gvr][key{r.namespace, name}]
	if obj == nil {
		return nil, apierrors.NewNotFound(r.gr(), name)
	}
	return obj.DeepCopy(), nil
}

func (r *fakeResource) Create(_ context.Context, obj *unstructured.Unstructured, o metav1.CreateOptions, _ ...string) (*unstructured.Unstructured, error) {
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	if len(o.DryRun) == 0 {
		r.api.t.Error("a create that is no dry-run")
	}
	return obj, r.begin("create-dry", obj.GetGenerateName(), obj)
}

func (r *fakeResource) Delete(_ context.Context, name string, o metav1.DeleteOptions, _ ...string) error {
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	k := key{r.namespace, name}
	if err := r.begin("delete", name, nil); err != nil {
		return err
	}
	obj := r.api.objects[r.gvr][k]
	if obj == nil {
		return apierrors.NewNotFound(r.gr(), name)
	}
	if o.Preconditions != nil && o.Preconditions.UID != nil && *o.Preconditions.UID != obj.GetUID() {
		return apierrors.NewConflict(r.gr(), name, fmt.Errorf("the UID is another"))
	}
	if r.api.hold[k] {
		obj = obj.DeepCopy()
		obj.SetDeletionTimestamp(new(metav1.Now()))
		r.api.put(r.gvr, obj)
		return nil
	}
	r.api.drop(r.gvr, k)
	return nil
}

func (r *fakeResource) Patch(_ context.Context, name string, pt types.PatchType, data []byte, o metav1.PatchOptions, _ ...string) (*unstructured.Unstructured, error) {
	var desired any
	if err := json.Unmarshal(data, &desired); err != nil {
		return nil, err
	}
	if r.api.answering != nil && len(o.DryRun) == 0 {
		defer r.api.answering() // once the lock is released
	}
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	if pt == types.JSONPatchType {
		return r.jsonPatch(name, desired.([]any))
	}
	verb := "apply"
	if len(o.DryRun) > 0 {
		verb = "dry"
	}
	want := &unstructured.Unstructured{Object: integers(desired).(map[string]any)}
	if err := r.begin(verb, name, want); err != nil {
		return nil, err
	}
	live := r.api.objects[r.gvr][key{r.namespace, name}]
	result := r.api.apply(live, want, o.FieldManager, r.namespace)
	if verb == "dry" {
		return result, nil
	}
	if live != nil && same(live, result) {
		return live.DeepCopy(), nil
	}
	return r.api.put(r.gvr, result).DeepCopy(), nil
}

func (r *fakeResource) jsonPatch(name string, ops []any) (*unstructured.Unstructured, error) {
	if err := r.begin("patch", name, nil); err != nil {
		return nil, err
	}
	live := r.api.objects[r.gvr][key{r.namespace, name}].DeepCopy()
	for _, op := range ops {
		op := op.(map[string]any)
		tokens := strings.Split(op["path"].(string)[1:], "/")
		for i := range tokens {
			tokens[i] = strings.ReplaceAll(strings.ReplaceAll(tokens[i], "~1", "/"), "~0", "~")
		}
		if tokens[1] == "resourceVersion" && op["value"] != live.GetResourceVersion() {
			return nil, apierrors.NewConflict(r.gr(), name, fmt.Errorf("the object has been modified"))
		}
		if op["op"] == "remove" {
			unstructured.RemoveNestedField(live.Object, tokens...)
		} else {
			setPath(live.Object, tokens, op["value"])
		}
	}
	return r.api.put(r.gvr, live).DeepCopy(), nil
}

func (r *fakeResource) List(_ context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	if r.api.arriving != nil {
		r.api.arriving()
	}
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	if r.api.forbidden[r.gvr.Resource] {
		return nil, apierrors.NewForbidden(r.gr(), "", fmt.Errorf("no list"))
	}
	r.api.lists++
	list := &unstructured.UnstructuredList{}
	for _, obj := range r.api.objects[r.gvr] {
		if selects(o, r.namespace, obj) {
			list.Items = append(list.Items, *obj.DeepCopy())
		}
	}
	list.SetResourceVersion(r.api.text(r.api.version))
	return list, nil
}

func (r *fakeResource) Watch(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
	if err := r.admit(o); err != nil {
		return nil, err
	}
	if r.api.arriving != nil && o.SendInitialEvents != nil {
		r.api.arriving()
	}
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	s := &fakeStream{api: r.api, gvr: r.gvr, namespace: r.namespace, o: o, ch: make(chan watch.Event, 10000)}
	r.api.streams[s] = struct{}{}
	if since, err := strconv.Atoi(strings.TrimPrefix(o.ResourceVersion, "v")); err == nil {
		for _, e := range r.api.history {
			if e.version > since && e.gvr == r.gvr {
				s.offer(e.old, e.obj, e.version)
			}
		}
	}
	if o.SendInitialEvents != nil && *o.SendInitialEvents {
		for _, obj := range r.api.objects[r.gvr] {
			if selects(o, r.namespace, obj) {
				s.ch <- watch.Event{Type: watch.Added, Object: obj.DeepCopy()}
			}
		}
		end := &unstructured.Unstructured{Object: map[string]any{}}
		end.SetResourceVersion(r.api.text(r.api.version))
		end.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		s.ch <- watch.Event{Type: watch.Bookmark, Object: end}
	}
	return s, nil
}

// admit says whether a watch may begin.
func (r *fakeResource) admit(o metav1.ListOptions) error {
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	if r.api.forbidden[r.gvr.Resource] {
		return apierrors.NewForbidden(r.gr(), "", fmt.Errorf("no watch"))
	}
	r.api.watches++
	if r.api.unwatchable != nil {
		return r.api.unwatchable(o)
	}
	return nil
}

type fakeStream struct {
	api       *fakeAPI
	gvr       schema.GroupVersionResource
	namespace string
	o         metav1.ListOptions
	ch        chan watch.Event
}

func (s *fakeStream) ResultChan() <-chan watch.Event { return s.ch }

func (s *fakeStream) Stop() {
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	s.end()
}

func (s *fakeStream) end() {
	if _, ok := s.api.streams[s]; ok {
		delete(s.api.streams, s)
		close(s.ch)
	}
}

// refuseWatches sets who is asked before every watch.
func (f *fakeAPI) refuseWatches(by func(metav1.ListOptions) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unwatchable = by
}

// breakStreams ends every stream, after an error event if there is a status.
func (f *fakeAPI) breakStreams(status *metav1.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.streams {
		if status != nil {
			s.ch <- watch.Event{Type: watch.Error, Object: status}
		}
		s.end()
	}
}

func selects(o metav1.ListOptions, namespace string, obj *unstructured.Unstructured) bool {
	if obj == nil || namespace != "" && obj.GetNamespace() != namespace {
		return false
	}
	l, _ := labels.Parse(o.LabelSelector)
	fs, _ := fields.ParseSelector(o.FieldSelector)
	return l.Matches(labels.Set(obj.GetLabels())) && fs.Matches(fields.Set{"metadata.name": obj.GetName()})
}

// put stores obj under a new version and tells the streams.
func (f *fakeAPI) put(gvr schema.GroupVersionResource, obj *unstructured.Unstructured) *unstructured.Unstructured {
	f.version++
	obj = obj.DeepCopy()
	obj.SetResourceVersion(f.text(f.version))
	if obj.GetUID() == "" {
		obj.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", f.version)))
	}
	k := key{obj.GetNamespace(), obj.GetName()}
	if f.objects[gvr] == nil {
		f.objects[gvr] = map[key]*unstructured.Unstructured{}
	}
	old := f.objects[gvr][k]
	f.objects[gvr][k] = obj
	f.tell(gvr, old, obj)
	return obj
}

func (f *fakeAPI) drop(gvr schema.GroupVersionResource, k key) {
	old := f.objects[gvr][k]
	if old == nil {
		return
	}
	f.version++
	delete(f.objects[gvr], k)
	f.tell(gvr, old, nil)
}

func (f *fakeAPI) tell(gvr schema.GroupVersionResource, old, obj *unstructured.Unstructured) {
	f.history = append(f.history, change{gvr, f.version, old, obj})
	for s := range f.streams {
		if s.gvr == gvr {
			s.offer(old, obj, f.version)
		}
	}
}

// change is an entry of the history that watches go on from.
type change struct {
	gvr      schema.GroupVersionResource
	version  int
	old, obj *unstructured.Unstructured
}

// offer sends the change from old to obj if the stream selects either.
func (s *fakeStream) offer(old, obj *unstructured.Unstructured, version int) {
	was, is := selects(s.o, s.namespace, old), selects(s.o, s.namespace, obj)
	e := watch.Event{Type: watch.Modified}
	switch {
	case !was && !is:
		return
	case is:
		e.Object = obj.DeepCopy()
		if !was {
			e.Type = watch.Added
		}
	default:
		e.Type = watch.Deleted
		last := old.DeepCopy()
		last.SetResourceVersion(s.api.text(version))
		e.Object = last
	}
	s.ch <- e
}

// apply returns live after a forced apply of want.
func (f *fakeAPI) apply(live, want *unstructured.Unstructured, manager, namespace string) *unstructured.Unstructured {
	set := fieldSet(want.Object)
	for _, name := range []string{"f:apiVersion", "f:kind"} {
		delete(set, name)
	}
	if m, ok := set["f:metadata"].(map[string]any); ok {
		delete(m, "f:name")
		delete(m, "f:namespace")
		if len(m) == 0 {
			delete(set, "f:metadata")
		}
	}
	result := &unstructured.Unstructured{Object: map[string]any{"apiVersion": want.GetAPIVersion(), "kind": want.GetKind()}}
	var entries []any
	if live != nil {
		result = live.DeepCopy()
		for _, e := range live.Object["metadata"].(map[string]any)["managedFields"].([]any) {
			entry := maps.Clone(e.(map[string]any))
			if ours(entry, manager) {
				removeSet(result.Object, minus(entry["fieldsV1"].(map[string]any), set, nil, nil))
				continue
			}
			left := minus(entry["fieldsV1"].(map[string]any), set, live.Object, want.Object)
			if len(left) > 0 {
				entry["fieldsV1"] = left
				entries = append(entries, entry)
			}
		}
	}
	merge(result.Object, want.DeepCopy().Object)
	result.SetNamespace(namespace)
	entries = append(entries, map[string]any{
		"manager": manager, "operation": "Apply", "apiVersion": want.GetAPIVersion(), "fieldsV1": set,
	})
	slices.SortFunc(entries, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["manager"].(string), b.(map[string]any)["manager"].(string))
	})
	setPath(result.Object, []string{"metadata", "managedFields"}, entries)
	return result
}

// fieldSet returns the FieldsV1 set of everything in m.
func fieldSet(m map[string]any) map[string]any {
	set := map[string]any{}
	for name, v := range m {
		sub := map[string]any{}
		if m, ok := v.(map[string]any); ok {
			sub = fieldSet(m)
		}
		set["f:"+name] = sub
	}
	return set
}

// minus returns the leaves of a that b lacks. With values, it keeps those of b where
// both values are the same: co-ownership.
func minus(a, b map[string]any, live, want map[string]any) map[string]any {
	left := map[string]any{}
	for name, sub := range a {
		other, both := b[name].(map[string]any)
		mine, _ := sub.(map[string]any)
		f := strings.TrimPrefix(name, "f:")
		if !both || name == "." {
			left[name] = sub
			continue
		}
		if len(mine) == 0 {
			if live != nil && fmt.Sprint(live[f]) == fmt.Sprint(want[f]) {
				left[name] = sub
			}
			continue
		}
		x, _ := live[f].(map[string]any)
		y, _ := want[f].(map[string]any)
		if rest := minus(mine, other, x, y); len(rest) > 0 {
			left[name] = rest
		}
	}
	return left
}

func removeSet(m map[string]any, set map[string]any) {
	for name, sub := range set {
		f := strings.TrimPrefix(name, "f:")
		if members, _ := sub.(map[string]any); len(members) > 0 {
			if below, ok := m[f].(map[string]any); ok {
				removeSet(below, members)
			}
			continue
		}
		delete(m, f)
	}
}

func merge(to, from map[string]any) {
	for name, v := range from {
		sub, ok := v.(map[string]any)
		below, has := to[name].(map[string]any)
		if ok && has {
			merge(below, sub)
		} else {
			to[name] = v
		}
	}
}

func same(a, b *unstructured.Unstructured) bool {
	x, _ := json.Marshal(a.Object)
	y, _ := json.Marshal(b.Object)
	return string(x) == string(y)
}

// integers turns whole numbers into int64, as the API machinery decodes them.
func integers(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case map[string]any:
		for name, sub := range v {
			v[name] = integers(sub)
		}
	case []any:
		for i, sub := range v {
			v[i] = integers(sub)
		}
	}
	return v
}

// edit changes one field as another manager, which takes its ownership away from
// everybody else.
func (f *fakeAPI) edit(gvr schema.GroupVersionResource, k key, manager string, value any, path ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	obj := f.objects[gvr][k].DeepCopy()
	set := map[string]any{}
	for i := len(path) - 1; i >= 0; i-- {
		set = map[string]any{"f:" + path[i]: set}
	}
	var entries []any
	for _, e := range obj.Object["metadata"].(map[string]any)["managedFields"].([]any) {
		entry := e.(map[string]any)
		if left := minus(entry["fieldsV1"].(map[string]any), set, nil, nil); len(left) > 0 {
			entry["fieldsV1"] = left
			entries = append(entries, entry)
		}
	}
	if value == nil {
		unstructured.RemoveNestedField(obj.Object, path...)
	} else {
		setPath(obj.Object, path, value)
	}
	entries = append(entries, map[string]any{
		"manager": manager, "operation": "Update", "apiVersion": obj.GetAPIVersion(), "fieldsV1": set,
	})
	setPath(obj.Object, []string{"metadata", "managedFields"}, entries)
	f.put(gvr, obj)
}

// status sets the status of an object, which nobody's ownership depends on.
func (f *fakeAPI) status(gvr schema.GroupVersionResource, k key, status map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	obj := f.objects[gvr][k].DeepCopy()
	obj.Object["status"] = status
	f.put(gvr, obj)
}

func (f *fakeAPI) remove(gvr schema.GroupVersionResource, k key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(gvr, k)
}

func (f *fakeAPI) object(gvr schema.GroupVersionResource, k key) *unstructured.Unstructured {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.objects[gvr][k].DeepCopy()
}
