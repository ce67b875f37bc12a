package release

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Secrets reads and writes Secrets with one identity. The errors are those of the API
// server. [kube.Records] is one.
type Secrets interface {
	// List returns names, versions, labels and annotations.
	List(ctx context.Context, namespace, selector string) ([]metav1.PartialObjectMetadata, error)
	// Get returns one with its data.
	Get(ctx context.Context, namespace, name string) (*metav1.PartialObjectMetadata, map[string][]byte, error)
	// Create and Update send a document in JSON, which names the version that it is
	// based on if it is an update.
	Create(ctx context.Context, namespace string, document []byte) (*metav1.PartialObjectMetadata, error)
	Update(ctx context.Context, namespace, name string, document []byte) (*metav1.PartialObjectMetadata, error)
	// Patch sends a merge patch.
	Patch(ctx context.Context, namespace, name string, patch []byte) (*metav1.PartialObjectMetadata, error)
	Delete(ctx context.Context, namespace, name string, p metav1.Preconditions) error
}
