package api

// CustomHealthCheck tells how to judge the health of one kind for which the
// general rules do not fit.
type CustomHealthCheck struct {
	// APIVersion of the objects that the expressions are for, as group/version.
	// Only the group is compared.
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind of the objects that the expressions are for. Left out, they are for
	// every kind of the group that has no entry of its own.
	// +optional
	Kind string `json:"kind,omitempty"`

	HealthCheckExpressions `json:",inline"`
}

// HealthCheckExpressions are CEL expressions over an object. Each must yield a
// boolean and sees the object's top-level fields by name, such as status and
// metadata. They are asked in the order inProgress, failed, current; the first
// that is true decides, and an object for which none is true is in progress.
type HealthCheckExpressions struct {
	// Current is true for an object that has become what its spec asks for.
	// +required
	Current string `json:"current"`

	// InProgress is true for an object that is still changing.
	// +optional
	InProgress string `json:"inProgress,omitempty"`

	// Failed is true for an object that will not recover by waiting.
	// +optional
	Failed string `json:"failed,omitempty"`
}
