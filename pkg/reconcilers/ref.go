package reconcilers

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Ref names an object: the one a reconciler runs for, or one it reads.
type Ref struct {
	schema.GroupKind
	Namespace, Name string
	// Whole, on what a reconciler reads, asks to be woken by every change of the object,
	// and not only by those that concern most readers: its spec, readiness and revision.
	Whole bool
}

// NewRef returns the reference to namespace/name of the given kind.
func NewRef(kind schema.GroupKind, namespace, name string) Ref {
	return Ref{GroupKind: kind, Namespace: namespace, Name: name}
}

// String returns Kind/namespace/name, the form people know from flux.
func (r Ref) String() string { return r.Kind + "/" + r.Namespace + "/" + r.Name }
