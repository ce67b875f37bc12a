package kube

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/fluxd/fluxd/pkg/api"
)

// Live reads single objects of our kinds, one request each: for those who look once
// and have no use for a [Cache].
type Live struct {
	codec   codec
	clients map[schema.GroupKind]rest.Interface
	names   map[schema.GroupKind]schema.GroupVersionResource
}

// NewLive returns a reader with the identity of c. No request is made.
func NewLive(c *Clients, resources []api.Resource) (*Live, error) {
	l := &Live{
		codec: c.codec, clients: make(map[schema.GroupKind]rest.Interface, len(resources)),
		names: make(map[schema.GroupKind]schema.GroupVersionResource, len(resources)),
	}
	for _, r := range resources {
		client, err := c.rest(r.Kind.GroupVersion())
		if err != nil {
			return nil, err
		}
		l.clients[r.Kind.GroupKind()], l.names[r.Kind.GroupKind()] = client, r.Name
	}
	return l, nil
}

// Get returns an object. The error of a missing one satisfies IsNotFound of the API
// errors package; that of one which does not fit its type is its [Undecodable.Err].
func (l *Live) Get(ctx context.Context, kind schema.GroupKind, namespace, name string) (metav1.Object, error) {
	client, ok := l.clients[kind]
	if !ok {
		return nil, fmt.Errorf("read a %s: the kind is not one of fluxd", kind.Kind)
	}
	data, err := client.Get().Namespace(namespace).Resource(l.names[kind].Resource).Name(name).Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	return l.decode(l.names[kind].GroupVersion().WithKind(kind.Kind), data)
}

// Typed returns an object as its type.
func (l *Live) Typed(obj *unstructured.Unstructured) (metav1.Object, error) {
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s/%s: %w", obj.GetKind(), obj.GetNamespace(), obj.GetName(), err)
	}
	return l.decode(obj.GroupVersionKind(), data)
}

func (l *Live) decode(gvk schema.GroupVersionKind, data []byte) (metav1.Object, error) {
	obj, err := l.codec.object(gvk, data)
	if err != nil {
		return nil, err
	}
	switch obj := obj.(type) {
	case *Undecodable:
		return nil, fmt.Errorf("%s %s/%s does not fit its type: %w", gvk.Kind, obj.Namespace, obj.Name, obj.Err)
	case metav1.Object:
		return obj, nil
	}
	return nil, fmt.Errorf("read a %s: the kind is not one of fluxd", gvk.Kind)
}
