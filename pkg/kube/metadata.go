package kube

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

// Metadata tells of changes of Secrets and ConfigMaps, by name and version
// only. A kind is watched from the first time that somebody asks for it.
type Metadata struct {
	client    metadata.Interface
	namespace string
	selector  string
	changed   func(kind schema.GroupKind, namespace, name string)

	mu      sync.Mutex
	ctx     context.Context // nil until Start; guarded by mu, as are the fields below
	kinds   map[schema.GroupKind]bool
	running sync.WaitGroup
}

// secretResource is what Secrets are.
var secretResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// The kinds that Metadata can watch.
var metadataResources = map[schema.GroupKind]schema.GroupVersionResource{
	{Kind: "Secret"}:    secretResource,
	{Kind: "ConfigMap"}: {Version: "v1", Resource: "configmaps"},
}

// NewMetadata returns a Metadata that calls changed for every object that
// appears, changes or goes, within the namespace and label selector of scope.
func NewMetadata(c *Clients, scope Scope, changed func(kind schema.GroupKind, namespace, name string)) (*Metadata, error) {
	client, err := metadata.NewForConfigAndClient(c.config, c.http)
	if err != nil {
		return nil, fmt.Errorf("set up the metadata client: %w", err)
	}
	return &Metadata{
		client: client, namespace: scope.Namespace, selector: scope.Selector, changed: changed,
		kinds: make(map[schema.GroupKind]bool),
	}, nil
}

// Want starts watching a kind if it can be watched and is not yet.
func (m *Metadata) Want(kind schema.GroupKind) {
	resource, ok := metadataResources[kind]
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kinds[kind] {
		return
	}
	m.kinds[kind] = true
	if m.ctx != nil {
		m.run(kind, resource)
	}
}

// Start runs the watches that are wanted, now and later, until ctx ends, and
// then waits for them to stop.
func (m *Metadata) Start(ctx context.Context) {
	m.mu.Lock()
	m.ctx = ctx
	for kind := range m.kinds {
		m.run(kind, metadataResources[kind])
	}
	m.mu.Unlock()
	<-ctx.Done()
	m.running.Wait()
}

// run is called with mu held.
func (m *Metadata) run(kind schema.GroupKind, resource schema.GroupVersionResource) {
	client := m.client.Resource(resource).Namespace(m.namespace)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = m.selector
			return client.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = m.selector
			return patiently(ctx, o, func() (watch.Interface, error) { return client.Watch(ctx, o) })
		},
	}
	informer := cache.NewSharedIndexInformerWithOptions(lw, nil,
		cache.SharedIndexInformerOptions{ObjectDescription: "metadata of " + kind.Kind})
	quietly(informer)
	_ = informer.SetTransform(strip) // fails only once started
	tell := func(obj any) {
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if o := asObject(obj); o != nil {
			m.changed(kind, o.GetNamespace(), o.GetName())
		}
	}
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{ // fails only once stopped
		AddFunc: tell,
		UpdateFunc: func(old, obj any) {
			if asObject(old).GetResourceVersion() != asObject(obj).GetResourceVersion() {
				tell(obj)
			}
		},
		DeleteFunc: tell,
	})
	ctx := m.ctx
	m.running.Go(func() { informer.RunWithContext(ctx) })
}

// strip keeps the identity and the version of an object, nothing else.
func strip(obj any) (any, error) {
	full, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	bare := &metav1.PartialObjectMetadata{}
	bare.Name, bare.Namespace = full.Name, full.Namespace
	bare.UID, bare.ResourceVersion = full.UID, full.ResourceVersion
	return bare, nil
}
