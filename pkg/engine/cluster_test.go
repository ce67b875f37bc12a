package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/kube"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// cluster is the API server and the cache before it, as far as an engine sees
// them: versions, generations, refused writes, finalizers, and a watch that can
// be made to lag. It is a [Cache] and a [Writer].
type cluster struct {
	deliveries sync.Mutex // held while handlers are told, so that they are in order

	mu       sync.Mutex // guards the fields below
	version  int
	uids     int
	live     map[Key]metav1.Object
	cached   map[Key]metav1.Object
	handlers map[schema.GroupKind]kube.Handler
	pending  []change
	lagging  bool
	writes   []string // "status Kind/namespace/name", "finalizers ..."
	// before is called before every write; its error is the answer.
	before func(verb string, key Key) error
}

type change struct {
	key Key
	obj metav1.Object // nil if gone
}

func newCluster() *cluster {
	return &cluster{
		live: make(map[Key]metav1.Object), cached: make(map[Key]metav1.Object),
		handlers: make(map[schema.GroupKind]kube.Handler),
	}
}

// Stored implements [Cache].
func (c *cluster) Stored(kind schema.GroupKind, namespace, name string) metav1.Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cached[Key{GroupKind: kind, Namespace: namespace, Name: name}]
}

// Each implements [Cache].
func (c *cluster) Each(kind schema.GroupKind, f func(metav1.Object)) {
	c.mu.Lock()
	var all []metav1.Object
	for key, obj := range c.cached {
		if key.GroupKind == kind {
			all = append(all, obj)
		}
	}
	c.mu.Unlock()
	for _, obj := range all {
		f(obj)
	}
}

// Handle implements [Cache]. Everything is listed at once.
func (c *cluster) Handle(kind schema.GroupKind, h kube.Handler) (<-chan struct{}, error) {
	c.mu.Lock()
	c.handlers[kind] = h
	c.mu.Unlock()
	c.Each(kind, func(obj metav1.Object) { h(nil, obj) })
	listed := make(chan struct{})
	close(listed)
	return listed, nil
}

// store keeps obj as the new version of key. mu is held.
func (c *cluster) store(key Key, obj metav1.Object) {
	c.version++
	obj.SetResourceVersion(strconv.Itoa(c.version))
	c.live[key] = obj
	c.pending = append(c.pending, change{key, obj})
}

// remove lets go of key. mu is held.
func (c *cluster) remove(key Key) {
	c.version++
	delete(c.live, key)
	c.pending = append(c.pending, change{key, nil})
}

// deliver tells the handlers of what happened, unless the watch lags.
func (c *cluster) deliver() {
	c.deliveries.Lock()
	defer c.deliveries.Unlock()
	for {
		c.mu.Lock()
		if c.lagging || len(c.pending) == 0 {
			c.mu.Unlock()
			return
		}
		next := c.pending[0]
		c.pending = c.pending[1:]
		old := c.cached[next.key]
		if next.obj == nil {
			delete(c.cached, next.key)
		} else {
			c.cached[next.key] = next.obj
		}
		h := c.handlers[next.key.GroupKind]
		c.mu.Unlock()
		if h != nil && (old != nil || next.obj != nil) {
			h(old, next.obj)
		}
	}
}

// lag stops the watch, and starts it again when it is told to.
func (c *cluster) lag(on bool) {
	c.mu.Lock()
	c.lagging = on
	c.mu.Unlock()
	c.deliver()
}

// skip forgets what the watch has yet to tell but for the last of each object, as
// a watch that starts anew does.
func (c *cluster) skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := make(map[Key]int)
	for i, p := range c.pending {
		last[p.key] = i
	}
	var kept []change
	for i, p := range c.pending {
		if last[p.key] == i {
			kept = append(kept, p)
		}
	}
	c.pending = kept
}

// create stores a new object.
func (c *cluster) create(obj metav1.Object) Key {
	key := keyFor(obj)
	c.mu.Lock()
	c.uids++
	obj.SetUID(types.UID(fmt.Sprintf("uid-%d", c.uids)))
	obj.SetGeneration(1)
	c.store(key, obj)
	c.mu.Unlock()
	c.deliver()
	return key
}

func keyFor(obj metav1.Object) Key {
	kind := obj.(interface {
		GroupVersionKind() schema.GroupVersionKind
	}).GroupVersionKind().GroupKind()
	return Key{GroupKind: kind, Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// edit changes an object as a person does: the generation tells of a new spec.
func edit[T api.Object](c *cluster, key Key, f func(T)) {
	c.mu.Lock()
	obj := c.live[key].(api.Object).DeepCopyObject().(T)
	before := part(obj, "spec")
	f(obj)
	if before != part(obj, "spec") {
		obj.SetGeneration(obj.GetGeneration() + 1)
	}
	c.store(key, obj)
	c.mu.Unlock()
	c.deliver()
}

func part(obj any, name string) string {
	data, _ := json.Marshal(obj)
	var whole map[string]json.RawMessage
	_ = json.Unmarshal(data, &whole)
	return string(whole[name])
}

// annotate asks for a reconcile.
func (c *cluster) annotate(key Key, request string) {
	edit(c, key, func(o api.Object) {
		o.SetAnnotations(map[string]string{api.AnnotationReconcileRequest: request})
	})
}

// spoil makes a stored object one that does not decode, as the next generation.
func (c *cluster) spoil(key Key) {
	c.mu.Lock()
	old := c.live[key].(api.Object)
	bad := &kube.Undecodable{Err: fmt.Errorf("spec.interval: does not fit")}
	bad.SetGroupVersionKind(old.GetObjectKind().GroupVersionKind())
	bad.Namespace, bad.Name, bad.UID, bad.Generation = key.Namespace, key.Name, old.GetUID(), old.GetGeneration()+1
	bad.Finalizers, bad.Annotations = old.GetFinalizers(), old.GetAnnotations()
	bad.Status.Conditions = old.GetConditions()
	bad.Status.ObservedGeneration = old.GetObservedGeneration()
	c.store(key, bad)
	c.mu.Unlock()
	c.deliver()
}

// put stores obj in place of what there is, whatever that is.
func (c *cluster) put(obj metav1.Object) {
	key := keyFor(obj)
	c.mu.Lock()
	obj.SetUID(c.live[key].GetUID())
	c.store(key, obj)
	c.mu.Unlock()
	c.deliver()
}

// remove deletes an object as a person does.
func (c *cluster) delete(key Key) {
	c.mu.Lock()
	obj := c.live[key]
	if len(obj.GetFinalizers()) == 0 {
		c.remove(key)
	} else {
		dying := obj.(api.Object).DeepCopyObject().(api.Object)
		now := metav1.Now()
		dying.SetDeletionTimestamp(&now)
		dying.SetGeneration(obj.GetGeneration() + 1)
		c.store(key, dying)
	}
	c.mu.Unlock()
	c.deliver()
}

// restore brings an object, and the versions that are given out, back to what they were.
func (c *cluster) restore(key Key, to api.Object) {
	c.mu.Lock()
	c.version, _ = strconv.Atoi(to.GetResourceVersion())
	c.live[key] = to
	c.pending = append(c.pending, change{key, to})
	c.mu.Unlock()
	c.deliver()
}

// get returns the object as the server has it.
func get[T metav1.Object](t *testing.T, c *cluster, key Key) T {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	obj, ok := c.live[key].(T)
	if !ok {
		t.Fatalf("%s is %T", key, c.live[key])
	}
	return obj
}

func (c *cluster) exists(key Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[key] != nil
}

// written returns the writes since the last call.
func (c *cluster) written() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	writes := c.writes
	c.writes = nil
	return writes
}

// admit checks a write as the server does. mu is held.
func (c *cluster) admit(key Key, t kube.Target) (metav1.Object, error) {
	resource := schema.GroupResource{Group: key.Group, Resource: key.Kind}
	obj, ok := c.live[key]
	switch {
	case !ok:
		return nil, apierrors.NewNotFound(resource, key.Name)
	case t.UID != "" && t.UID != obj.GetUID():
		return nil, apierrors.NewConflict(resource, key.Name, fmt.Errorf("the UID is %s", obj.GetUID()))
	case t.ResourceVersion != "" && t.ResourceVersion != obj.GetResourceVersion():
		return nil, apierrors.NewConflict(resource, key.Name, fmt.Errorf("the version is %s", obj.GetResourceVersion()))
	}
	return obj, nil
}

func (c *cluster) intercept(verb string, key Key) error {
	c.mu.Lock()
	f := c.before
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(verb, key)
}

// PatchStatus implements [Writer].
func (c *cluster) PatchStatus(ctx context.Context, _ string, t kube.Target, patch json.RawMessage) (api.Object, error) {
	key := Key{GroupKind: t.Kind, Namespace: t.Namespace, Name: t.Name}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.intercept("status", key); err != nil {
		return nil, err
	}
	defer c.deliver()
	c.mu.Lock()
	defer c.mu.Unlock()
	obj, err := c.admit(key, t)
	if err != nil {
		return nil, err
	}
	c.writes = append(c.writes, "status "+key.String())
	if bad, ok := obj.(*kube.Undecodable); ok {
		bad = bad.DeepCopyObject().(*kube.Undecodable)
		if err := json.Unmarshal(patch, &bad.Status); err != nil {
			return nil, err
		}
		c.store(key, bad)
		return nil, nil
	}
	stored, err := patched(obj.(api.Object), patch)
	if err != nil {
		return nil, err
	}
	c.store(key, stored)
	return stored, nil
}

func patched(obj api.Object, patch json.RawMessage) (api.Object, error) {
	whole, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	merged, err := jsonpatch.MergePatch(whole, fmt.Appendf(nil, `{"status":%s}`, patch))
	if err != nil {
		return nil, err
	}
	out := obj.DeepCopyObject().(api.Object)
	clearStatus(out)
	return out, json.Unmarshal(merged, out)
}

// PatchFinalizers implements [Writer].
func (c *cluster) PatchFinalizers(_ context.Context, _ string, t kube.Target, finalizers []string) (api.Object, error) {
	key := Key{GroupKind: t.Kind, Namespace: t.Namespace, Name: t.Name}
	if err := c.intercept("finalizers", key); err != nil {
		return nil, err
	}
	defer c.deliver()
	c.mu.Lock()
	defer c.mu.Unlock()
	obj, err := c.admit(key, t)
	if err != nil {
		return nil, err
	}
	c.writes = append(c.writes, "finalizers "+key.String())
	if obj.GetDeletionTimestamp() != nil && len(finalizers) == 0 {
		c.remove(key)
		return nil, nil
	}
	stored := obj.(api.Object).DeepCopyObject().(api.Object)
	stored.SetFinalizers(finalizers)
	c.store(key, stored)
	return stored, nil
}

// Get implements [Writer].
func (c *cluster) Get(_ context.Context, t kube.Target) (api.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	obj, err := c.admit(Key{GroupKind: t.Kind, Namespace: t.Namespace, Name: t.Name}, kube.Target{})
	if err != nil {
		return nil, err
	}
	o, _ := obj.(api.Object)
	return o, nil
}

// settled lets everything happen that needs no time to pass.
const settled = time.Millisecond
