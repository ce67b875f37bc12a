package explain

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// World is where facts come from.
type World interface {
	// Object returns an object of any kind, nil if there is none. It is foreign if it is
	// there and the process does not look after it. The caller does not change it.
	Object(ctx context.Context, ref reconcilers.Ref) (obj *unstructured.Unstructured, foreign bool, err error)
	// Resource returns the resource of a kind and whether its objects have a namespace.
	Resource(kind schema.GroupKind) (r schema.GroupVersionResource, namespaced bool, err error)
	// State returns where an object stands in the process. ok is false without one.
	State(ref reconcilers.Ref) (s State, ok bool)
	// Artifact says where the bytes of an artifact are.
	Artifact(ref reconcilers.Ref, digest string) Bytes
}

// State is what a running process remembers of an object.
type State struct {
	// Queued and Running say where the object is; Parked that no timer wakes it.
	Queued, Running bool
	Parked          bool
	// Since is when that began.
	Since time.Time
	// Due is when it runs next unless it is woken before; zero is at no time.
	Due time.Time
	// Failures counts the failed runs since the last good one.
	Failures int
	// Cold says that the last run waited for bytes that memory does not have.
	Cold bool
	// Held is until when the object is held back because the process died while it ran.
	Held time.Time
	// Ended is when the last run ended, and Last how: ready, waiting, stalled or failed.
	Ended time.Time
	Last  string
	// Reads is what wakes the object when it changes.
	Reads []reconcilers.Ref
}

// Bytes is where the bytes of an artifact are.
type Bytes int

const (
	// BytesUnknown is what is known without a process.
	BytesUnknown Bytes = iota
	// BytesInMemory are there for whoever reads them.
	BytesInMemory
	// BytesCold are fetched again when somebody reads them.
	BytesCold
)

// Role is what an object is to the one that refers to it.
type Role string

// The roles, in the order in which reconcilers look at them.
const (
	RoleSource     Role = "source"
	RoleDependency Role = "dependency"
	RoleObject     Role = "prerequisite"
	RoleConfig     Role = "configuration"
	RoleApplied    Role = "applied object"
)

// Link is a reference from one object to another.
type Link struct {
	Role Role
	Ref  reconcilers.Ref
	// Field is where the reference stands.
	Field string
	// Optional says that the object may be missing.
	Optional bool
	// To is what is known of the object; nil if it was not looked at.
	To *Node
}

// Node is what is known of one object.
type Node struct {
	Ref reconcilers.Ref
	// Object is nil if there is none, or if it is not shown.
	Object *unstructured.Unstructured
	// Withheld says that the caller may not see it.
	Withheld bool
	// Problem says why it cannot be read; empty if it can.
	Problem string
	// Foreign says that it is there and that the process does not look after it.
	Foreign bool
	// State is nil without a process.
	State *State
	// Bytes is where the bytes of its artifact are.
	Bytes Bytes
	Links []Link
	// Unhealthy are objects that it applied and that are not healthy, and Unseen how many
	// were not looked at.
	Unhealthy []Link
	Unseen    int
	// Health is the health of an object that is not one of ours.
	Health Health
}

// ours says whether a kind is one of fluxd's.
func ours(kind schema.GroupKind) bool {
	_, ok := resourceOf(kind)
	return ok
}

func resourceOf(kind schema.GroupKind) (schema.GroupVersionResource, bool) {
	for _, r := range api.Resources() {
		if r.Kind.GroupKind() == kind {
			return r.Name, true
		}
	}
	return schema.GroupVersionResource{}, false
}

// name returns how people call an object: as String of an inventory entry has it.
func name(ref reconcilers.Ref) string {
	if ref.Namespace == "" {
		return ref.Kind + "/" + ref.Name
	}
	return ref.String()
}
