package reconcilertest

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Secrets holds the data of Secrets by namespace/name. It is what package attempt reads
// them from.
type Secrets map[string]map[string][]byte

// Secret returns the data of a Secret, whose type is Opaque. The error of a missing one
// is that of an API server.
func (s Secrets) Secret(_ context.Context, namespace, name string) (data map[string][]byte, kind string, err error) {
	data, ok := s[namespace+"/"+name]
	if !ok {
		return nil, "", apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	return data, "Opaque", nil
}
