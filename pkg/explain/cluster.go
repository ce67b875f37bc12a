package explain

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Cluster is the [World] of somebody who has the API server alone. It reads what it is
// asked for, one request each, and keeps nothing.
type Cluster struct {
	Dynamic dynamic.Interface
	Mapper  meta.RESTMapper
}

// Object implements [World]. Of Secrets and ConfigMaps it returns no contents. What the
// API server forbids is an error of [door.ErrDenied].
func (c Cluster) Object(ctx context.Context, ref reconcilers.Ref) (*unstructured.Unstructured, bool, error) {
	resource, namespaced, err := c.Resource(ref.GroupKind)
	if err != nil {
		return nil, false, err
	}
	var client dynamic.ResourceInterface = c.Dynamic.Resource(resource)
	if namespaced {
		client = c.Dynamic.Resource(resource).Namespace(ref.Namespace)
	}
	obj, err := client.Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, false, nil
	case apierrors.IsForbidden(err):
		return nil, false, door.ErrDenied
	case err != nil:
		return nil, false, fmt.Errorf("read it: %w", err)
	}
	if isConfig(ref.GroupKind) {
		for _, field := range []string{"data", "stringData", "binaryData"} {
			delete(obj.Object, field)
		}
	}
	return obj, false, nil
}

// Resource implements [World].
func (c Cluster) Resource(kind schema.GroupKind) (schema.GroupVersionResource, bool, error) {
	if r, ok := resourceOf(kind); ok {
		return r, true, nil
	}
	if isConfig(kind) {
		return schema.GroupVersionResource{Version: "v1", Resource: map[string]string{"Secret": "secrets", "ConfigMap": "configmaps"}[kind.Kind]}, true, nil
	}
	mapping, err := c.Mapper.RESTMapping(kind)
	switch {
	case meta.IsNoMatchError(err):
		return schema.GroupVersionResource{}, false, fmt.Errorf("the kind %s is not served", kind)
	case err != nil:
		return schema.GroupVersionResource{}, false, fmt.Errorf("find the kind %s: %w", kind, err)
	}
	return mapping.Resource, mapping.Scope.Name() == meta.RESTScopeNameNamespace, nil
}

// State implements [World]: there is no process.
func (Cluster) State(reconcilers.Ref) (State, bool) { return State{}, false }

// Artifact implements [World]: there is no memory.
func (Cluster) Artifact(reconcilers.Ref, string) Bytes { return BytesUnknown }
