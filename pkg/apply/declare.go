package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Declarer writes objects that one of our objects stands for by itself, such as the
// HelmChart of a HelmRelease. Nothing of them is watched or remembered here. It is safe
// for concurrent use.
type Declarer struct {
	Client dynamic.Interface
	// Manager is the field manager of the writes.
	Manager string
}

// Apply applies an object by server-side apply, with force. Its status is not sent.
func (d Declarer) Apply(ctx context.Context, resource schema.GroupVersionResource, obj runtime.Object) error {
	_, err := d.apply(ctx, resource, obj, metav1.ApplyOptions{})
	return err
}

// Foretell returns an object as Apply would leave it, and writes nothing.
func (d Declarer) Foretell(ctx context.Context, resource schema.GroupVersionResource, obj runtime.Object) (*unstructured.Unstructured, error) {
	return d.apply(ctx, resource, obj, metav1.ApplyOptions{DryRun: []string{metav1.DryRunAll}})
}

func (d Declarer) apply(ctx context.Context, resource schema.GroupVersionResource, obj runtime.Object, o metav1.ApplyOptions) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("encode the object: %w", err)
	}
	u := &unstructured.Unstructured{Object: content}
	delete(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	o.FieldManager, o.Force = d.Manager, true
	return d.Client.Resource(resource).Namespace(u.GetNamespace()).Apply(ctx, u.GetName(), u, o)
}

// Delete deletes an object; that there is none is no error.
func (d Declarer) Delete(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) error {
	err := d.Client.Resource(resource).Namespace(namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
