package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// StatusWriter writes status and finalizers of our kinds, by JSON merge patch
// (RFC 7386), and nothing else of them.
type StatusWriter struct {
	clients   map[schema.GroupKind]rest.Interface
	resources map[schema.GroupKind]string
}

// unchecked spares the API server the search for unknown fields: what is written is
// encoded from its types.
const unchecked = metav1.FieldValidationIgnore

// NewStatusWriter returns a writer for the given resources.
func NewStatusWriter(c *Clients, resources []api.Resource) (*StatusWriter, error) {
	w := &StatusWriter{
		clients:   make(map[schema.GroupKind]rest.Interface, len(resources)),
		resources: make(map[schema.GroupKind]string, len(resources)),
	}
	for _, r := range resources {
		client, err := c.rest(r.Kind.GroupVersion())
		if err != nil {
			return nil, err
		}
		gk := r.Kind.GroupKind()
		w.clients[gk], w.resources[gk] = client, r.Name.Resource
	}
	return w, nil
}

// PatchStatus sends a merge patch of the status of one object and returns the
// object as stored. The patch is a JSON object below the key status. With a
// resourceVersion the server refuses it with a conflict if the object has
// changed since.
func (w *StatusWriter) PatchStatus(ctx context.Context, manager string, ref Target, status json.RawMessage) (api.Object, error) {
	return w.patch(ctx, manager, ref, map[string]any{"status": status}, "status")
}

// PatchFinalizers replaces the finalizers of one object and returns the object
// as stored, which is nil if that let it go.
func (w *StatusWriter) PatchFinalizers(ctx context.Context, manager string, ref Target, finalizers []string) (api.Object, error) {
	return w.patch(ctx, manager, ref, map[string]any{"metadata": map[string]any{"finalizers": finalizers}})
}

// Get reads one object live.
func (w *StatusWriter) Get(ctx context.Context, ref Target) (api.Object, error) {
	client, ok := w.clients[ref.Kind]
	if !ok {
		return nil, fmt.Errorf("read %s: the kind is not ours", ref.Kind)
	}
	return result(client.Get().Namespace(ref.Namespace).Resource(w.resources[ref.Kind]).Name(ref.Name).Do(ctx))
}

// Target names the object of a write.
type Target struct {
	Kind            schema.GroupKind
	Namespace, Name string
	// ResourceVersion is the version that the write was computed from; empty
	// writes whatever the version.
	ResourceVersion string
	// UID keeps a write from reaching a later object of the same name.
	UID types.UID
}

func (w *StatusWriter) patch(ctx context.Context, manager string, ref Target, body map[string]any, sub ...string) (api.Object, error) {
	client, ok := w.clients[ref.Kind]
	if !ok {
		return nil, fmt.Errorf("write to %s: the kind is not ours", ref.Kind)
	}
	metadata, _ := body["metadata"].(map[string]any)
	if metadata == nil {
		metadata = make(map[string]any, 2)
		body["metadata"] = metadata
	}
	if ref.ResourceVersion != "" {
		metadata["resourceVersion"] = ref.ResourceVersion
	}
	if ref.UID != "" {
		metadata["uid"] = ref.UID
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode a patch of %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	return result(client.Patch(types.MergePatchType).Namespace(ref.Namespace).
		Resource(w.resources[ref.Kind]).Name(ref.Name).SubResource(sub...).
		Param("fieldManager", manager).Param("fieldValidation", unchecked).Body(data).Do(ctx))
}

// result returns the object of an answer, or nil for an object that does not
// decode or is gone.
func result(answer rest.Result) (api.Object, error) {
	obj, err := answer.Get()
	if err != nil {
		return nil, err
	}
	o, _ := obj.(api.Object)
	return o, nil
}
