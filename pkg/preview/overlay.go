package preview

import (
	"context"
	"encoding/base64"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Objects are the objects of our kinds as the preview so far would leave them. Each is
// read once. It is for one goroutine, and has the methods of a cache.
type Objects struct {
	ctx   context.Context
	live  Live
	known map[reconcilers.Ref]metav1.Object // nil if there is none
	errs  map[reconcilers.Ref]error
}

func newObjects(ctx context.Context, live Live) *Objects {
	return &Objects{ctx: ctx, live: live, known: map[reconcilers.Ref]metav1.Object{}, errs: map[reconcilers.Ref]error{}}
}

func (o *Objects) put(kind schema.GroupKind, obj metav1.Object) {
	o.known[reconcilers.NewRef(kind, obj.GetNamespace(), obj.GetName())] = obj
}

// find returns an object, nil if there is none. An error that is not about its absence
// is kept, for those who only hear that there is none.
func (o *Objects) find(ref reconcilers.Ref) (metav1.Object, error) {
	if obj, ok := o.known[ref]; ok {
		return obj, o.errs[ref]
	}
	obj, err := o.live.Get(o.ctx, ref.GroupKind, ref.Namespace, ref.Name)
	if err != nil {
		obj = nil
	}
	if apierrors.IsNotFound(err) {
		err = nil
	}
	o.known[ref], o.errs[ref] = obj, err
	return obj, err
}

// Get returns an object and whether there is one.
func (o *Objects) Get(kind schema.GroupKind, namespace, name string) (api.Object, bool) {
	found, _ := o.find(reconcilers.NewRef(kind, namespace, name))
	obj, ok := found.(api.Object)
	return obj, ok
}

// SourceOf returns an object that publishes artifacts, and whether there is one.
func (o *Objects) SourceOf(kind schema.GroupKind, namespace, name string) (api.Source, bool) {
	found, _ := o.find(reconcilers.NewRef(kind, namespace, name))
	source, ok := found.(api.Source)
	return source, ok
}

// Each calls f for the objects of a kind that were read so far.
func (o *Objects) Each(kind schema.GroupKind, f func(metav1.Object)) {
	for ref, obj := range o.known {
		if ref.GroupKind == kind && obj != nil {
			f(obj)
		}
	}
}

// configs are the Secrets and ConfigMaps as the preview so far would leave them.
type configs struct {
	live Configs
	next map[reconcilers.Ref]*unstructured.Unstructured // nil if it would be deleted
}

func newConfigs(live Configs) *configs {
	return &configs{live, map[reconcilers.Ref]*unstructured.Unstructured{}}
}

// take takes in what would become of an object.
func (c *configs) take(obj forecast.Object) {
	if obj.Group != "" || obj.Kind != "Secret" && obj.Kind != "ConfigMap" {
		return
	}
	ref := reconcilers.NewRef(obj.GroupKind(), obj.Namespace, obj.Name)
	switch {
	case obj.Action == forecast.Deleted:
		c.next[ref] = nil
	case obj.Changes() && obj.Action != forecast.Failed && obj.Result != nil:
		c.next[ref] = obj.Result
	}
}

type presentKey struct{}

// present marks a context in which the cluster is read as it is.
func present(ctx context.Context) context.Context { return context.WithValue(ctx, presentKey{}, true) }

func (c *configs) find(ctx context.Context, kind, namespace, name string) (*unstructured.Unstructured, bool, error) {
	if ctx.Value(presentKey{}) != nil {
		return nil, false, nil
	}
	obj, known := c.next[reconcilers.NewRef(schema.GroupKind{Kind: kind}, namespace, name)]
	if known && obj == nil {
		return nil, true, apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
	}
	return obj, known, nil
}

// Secret implements [Configs].
func (c *configs) Secret(ctx context.Context, namespace, name string) (data map[string][]byte, kind string, err error) {
	obj, known, err := c.find(ctx, "Secret", namespace, name)
	if !known || err != nil {
		if err != nil {
			return nil, "", err
		}
		return c.live.Secret(ctx, namespace, name)
	}
	texts, _, _ := unstructured.NestedStringMap(obj.Object, "data")
	data = make(map[string][]byte, len(texts))
	for key, text := range texts {
		if data[key], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, "", err
		}
	}
	kind, _, _ = unstructured.NestedString(obj.Object, "type")
	return data, kind, nil
}

// ConfigMap implements [Configs].
func (c *configs) ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	obj, known, err := c.find(ctx, "ConfigMap", namespace, name)
	if !known || err != nil {
		if err != nil {
			return nil, err
		}
		return c.live.ConfigMap(ctx, namespace, name)
	}
	texts, _, _ := unstructured.NestedStringMap(obj.Object, "data")
	return texts, nil
}
