// Package scheme puts all types of this tree into one scheme. It leaves the
// built-in types of Kubernetes out: they would weigh more than all the others, and
// what is read of them is read as metadata, untyped, or through a codec of its own.
package scheme

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	helmv2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	kustomizev1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
)

// New returns a scheme with the three groups and what every client needs of
// metav1: list and watch options, Status, Table and the partial objects.
func New() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	for _, add := range []func(*runtime.Scheme) error{
		metav1.AddMetaToScheme,
		sourcev1.AddToScheme,
		kustomizev1.AddToScheme,
		helmv2.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err) // two types under one name: a mistake in this tree
		}
	}
	return s
}
