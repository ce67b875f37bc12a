package events

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Severity is how much a fact matters to people.
type Severity string

const (
	// Trace facts become Kubernetes events and are never forwarded.
	Trace Severity = "trace"
	// Info facts tell of progress.
	Info Severity = "info"
	// Error facts tell of failures.
	Error Severity = "error"
)

// Subject is the object that a fact is about.
type Subject struct {
	schema.GroupVersionKind
	Namespace, Name string
	UID             types.UID
	ResourceVersion string
}

// String returns Kind/namespace/name, the form people know from flux.
func (s Subject) String() string { return s.Kind + "/" + s.Namespace + "/" + s.Name }

// Fact is something that happened to an object. Facts never cause work.
type Fact struct {
	Subject  Subject
	Severity Severity
	// Reason is a CamelCase word, Message a sentence for people without
	// secrets in it.
	Reason, Message string
	// Annotations are copied to the Kubernetes event and are the metadata of a
	// forwarded one.
	Annotations map[string]string
	// Controller is the name under which people know the origin.
	Controller string
	Time       time.Time
}
