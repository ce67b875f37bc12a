package kube

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// EventWriter writes Kubernetes events (core/v1), which are given and sent as
// JSON. Errors are those of the API errors package.
type EventWriter struct{ core rest.Interface }

// metadataOnly asks for an answer with no more than the metadata of the event, and
// for what went wrong as it is.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json"

// NewEventWriter returns a writer with the identity of c.
func NewEventWriter(c *Clients) (*EventWriter, error) {
	core, err := c.rest(schema.GroupVersion{Version: "v1"})
	if err != nil {
		return nil, err
	}
	return &EventWriter{core}, nil
}

// CreateEvent creates an event.
func (w *EventWriter) CreateEvent(ctx context.Context, namespace string, event []byte) error {
	return w.core.Post().Namespace(namespace).Resource("events").
		Param("fieldValidation", unchecked).SetHeader("Accept", metadataOnly).Body(event).Do(ctx).Error()
}

// PatchEvent applies a JSON merge patch (RFC 7386) to an event.
func (w *EventWriter) PatchEvent(ctx context.Context, namespace, name string, patch []byte) error {
	return w.core.Patch(types.MergePatchType).Namespace(namespace).Resource("events").Name(name).
		Param("fieldValidation", unchecked).SetHeader("Accept", metadataOnly).Body(patch).Do(ctx).Error()
}
