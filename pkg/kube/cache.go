package kube

import (
	"context"
	"fmt"
	"sync"

	"github.com/fluxd/fluxd/pkg/api"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Handler is told of every change of the objects of one kind, in order. old is
// nil for a new object, obj is nil for one that is gone. Both are shared and
// must not be changed. They are an [api.Object] or an [*Undecodable].
type Handler func(old, obj metav1.Object)

// Scope limits which objects a process looks after.
type Scope struct {
	// Namespace restricts everything to one namespace; empty means all.
	Namespace string
	// Selector is a label selector in its string form; empty selects all. It
	// applies to the kinds that are sharded: those given to [NewCache].
	Selector string
}

// Cache holds one shared informer for each kind of ours.
type Cache struct {
	informers map[schema.GroupKind]cache.SharedIndexInformer
	unserved  map[schema.GroupKind]*signal
	order     []schema.GroupKind
}

// signal is closed once.
type signal struct {
	once sync.Once
	c    chan struct{}
}

func (s *signal) give() { s.once.Do(func() { close(s.c) }) }

// NewCache prepares informers for the given resources. Nothing is read before
// [Cache.Start].
func NewCache(c *Clients, resources []api.Resource, scope Scope) (*Cache, error) {
	out := &Cache{
		informers: make(map[schema.GroupKind]cache.SharedIndexInformer, len(resources)),
		unserved:  make(map[schema.GroupKind]*signal, len(resources)),
	}
	for _, r := range resources {
		client, err := c.rest(r.Kind.GroupVersion())
		if err != nil {
			return nil, err
		}
		unserved := &signal{c: make(chan struct{})}
		lw := listWatch(client, r.Name.Resource, scope, unserved.give)
		out.unserved[r.Kind.GroupKind()] = unserved
		informer := cache.NewSharedIndexInformerWithOptions(lw, nil, cache.SharedIndexInformerOptions{ObjectDescription: r.Kind.Kind})
		quietly(informer)
		out.informers[r.Kind.GroupKind()] = informer
		out.order = append(out.order, r.Kind.GroupKind())
	}
	return out, nil
}

// listWatch lists and watches a resource, and calls unserved when the API
// server says that it does not know it.
func listWatch(client rest.Interface, resource string, scope Scope, unserved func()) *cache.ListWatch {
	request := func(o metav1.ListOptions) *rest.Request {
		o.LabelSelector = scope.Selector
		return client.Get().NamespaceIfScoped(scope.Namespace, scope.Namespace != "").
			Resource(resource).VersionedParams(&o, metav1.ParameterCodec)
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := request(o).Do(ctx).Get()
			if apierrors.IsNotFound(err) {
				unserved()
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			w, err := patiently(ctx, o, func() (watch.Interface, error) { return request(o).Watch(ctx) })
			if apierrors.IsNotFound(err) {
				unserved()
			}
			return w, err
		},
	}
}

// Handle registers a handler for one kind. It must be called before Start. The
// channel is closed once the handler has been told of every object that there
// was at the start, or once the API server has said that it does not serve the
// kind: nobody needs to wait for that.
func (c *Cache) Handle(kind schema.GroupKind, h Handler) (listed <-chan struct{}, err error) {
	informer, ok := c.informers[kind]
	if !ok {
		return nil, fmt.Errorf("watch %s: the kind is not in the cache", kind)
	}
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { h(nil, asObject(obj)) },
		UpdateFunc: func(old, obj any) { h(asObject(old), asObject(obj)) },
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			h(asObject(obj), nil)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", kind, err)
	}
	done, unserved := make(chan struct{}), c.unserved[kind].c
	go func() {
		defer close(done)
		select {
		case <-registration.HasSyncedChecker().Done():
		case <-unserved:
		}
	}()
	return done, nil
}

func asObject(obj any) metav1.Object {
	m, _ := obj.(metav1.Object)
	return m
}

// Start runs the informers until ctx ends and then waits for them to stop. A
// kind that the API server does not serve is retried with backoff and holds up
// nobody else.
func (c *Cache) Start(ctx context.Context) {
	var running sync.WaitGroup
	for _, informer := range c.informers {
		running.Go(func() { informer.RunWithContext(ctx) })
	}
	running.Wait()
}

// Kinds returns the kinds of the cache in the order in which they were given.
func (c *Cache) Kinds() []schema.GroupKind { return c.order }

// Get returns the cached object, which is shared and must not be changed, and
// whether it exists and decodes.
func (c *Cache) Get(kind schema.GroupKind, namespace, name string) (api.Object, bool) {
	obj, ok := c.Stored(kind, namespace, name).(api.Object)
	return obj, ok
}

// SourceOf returns the cached object of a kind that publishes artifacts, which is
// shared and must not be changed, and whether it exists and decodes.
func (c *Cache) SourceOf(kind schema.GroupKind, namespace, name string) (api.Source, bool) {
	source, ok := c.Stored(kind, namespace, name).(api.Source)
	return source, ok
}

// Stored returns the cached object of any condition: an [api.Object], an
// [*Undecodable], or nil.
func (c *Cache) Stored(kind schema.GroupKind, namespace, name string) metav1.Object {
	informer, ok := c.informers[kind]
	if !ok {
		return nil
	}
	obj, _, err := informer.GetStore().GetByKey(namespace + "/" + name)
	if err != nil || obj == nil {
		return nil
	}
	return asObject(obj)
}

// Each calls f for every cached object of a kind, in no order.
func (c *Cache) Each(kind schema.GroupKind, f func(metav1.Object)) {
	informer, ok := c.informers[kind]
	if !ok {
		return
	}
	for _, obj := range informer.GetStore().List() {
		f(asObject(obj))
	}
}
