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
	return w.core.Post().Namespace(namespace).Resource("events").Body(event).Do(ctx).Error()
}

// PatchEvent applies a JSON merge patch (RFC 7386) to an event.
func (w *EventWriter) PatchEvent(ctx context.Context, namespace, name string, patch []byte) error {
	return w.core.Patch(types.MergePatchType).Namespace(namespace).Resource("events").Name(name).
		Body(patch).Do(ctx).Error()
}
