package api

// LocalObjectReference names an object of a known kind in the same namespace.
type LocalObjectReference struct {
	// Name of the object, which must be in the namespace of this one.
	// +required
	Name string `json:"name"`
}

// NamespacedObjectReference names an object of a known kind.
type NamespacedObjectReference struct {
	// Name of the object.
	// +required
	Name string `json:"name"`

	// Namespace of the object. Empty means the namespace of this one.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// NamespacedObjectKindReference names an object of any kind.
type NamespacedObjectKindReference struct {
	// APIVersion of the object, as group/version. Where it may be left out, the
	// field that holds this reference says what is assumed.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the object, such as Deployment.
	// +required
	Kind string `json:"kind"`

	// Name of the object.
	// +required
	Name string `json:"name"`

	// Namespace of the object. Empty means the namespace of this one, or none
	// for kinds that live outside namespaces.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// SecretKeyReference names one entry of a Secret in the same namespace.
type SecretKeyReference struct {
	// Name of the Secret, which must be in the namespace of this object.
	// +required
	Name string `json:"name"`

	// Key of the entry within the Secret's data. Where it is empty, the field
	// that holds this reference says which keys are tried.
	// +optional
	Key string `json:"key,omitempty"`
}

// DependencyReference names an object of the same kind that must be ready first.
type DependencyReference struct {
	// Name of the object to wait for.
	// +required
	Name string `json:"name"`

	// Namespace of the object to wait for. Empty means the namespace of this one.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// ReadyExpr is a CEL expression that decides when the dependency is ready,
	// in place of the Ready condition and the observed generation. It must yield
	// a boolean and sees both objects whole: dep is the dependency and self is
	// the object that waits, for example
	// dep.status.lastAppliedRevision == self.status.lastAttemptedRevision.
	// +optional
	ReadyExpr string `json:"readyExpr,omitempty"`
}
