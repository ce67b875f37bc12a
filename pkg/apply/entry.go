package apply

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ErrBadID says that an inventory id does not have the form of [Entry.ID].
var ErrBadID = errors.New("inventory id is not <namespace>_<name>_<group>_<kind>")

// Entry names one object of an inventory. Two entries are the same object when
// they are equal but for Version.
type Entry struct {
	Group, Kind     string
	Namespace, Name string
	// Version of the API that the object was applied with.
	Version string
}

// EntryOf returns the entry of obj as it stands: its namespace may be one that a
// cluster-scoped object does not have.
func EntryOf(obj *unstructured.Unstructured) Entry {
	gvk := obj.GroupVersionKind()
	return Entry{
		Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind,
		Namespace: obj.GetNamespace(), Name: obj.GetName(),
	}
}

// ParseEntry reads an inventory id and the version beside it. The first
// underscore ends the namespace, the last two delimit group and kind, and two
// underscores in the name stand for a colon.
func ParseEntry(id, version string) (Entry, error) {
	namespace, rest, ok := strings.Cut(id, "_")
	kindAt := strings.LastIndexByte(rest, '_')
	if !ok || kindAt < 0 {
		return Entry{}, fmt.Errorf("parse %q: %w", id, ErrBadID)
	}
	kind, rest := rest[kindAt+1:], rest[:kindAt]
	groupAt := strings.LastIndexByte(rest, '_')
	if groupAt < 0 || kind == "" {
		return Entry{}, fmt.Errorf("parse %q: %w", id, ErrBadID)
	}
	return Entry{
		Group: rest[groupAt+1:], Version: version, Kind: kind,
		Namespace: namespace,
		Name:      strings.ReplaceAll(rest[:groupAt], "__", ":"),
	}, nil
}

// ID returns <namespace>_<name>_<group>_<kind>. Names of RBAC objects may hold
// colons, which are written as two underscores.
func (e Entry) ID() string {
	name := e.Name
	if colonKind(e.Kind) {
		name = strings.ReplaceAll(name, ":", "__")
	}
	return e.Namespace + "_" + name + "_" + e.Group + "_" + e.Kind
}

// String returns Kind/namespace/name, or Kind/name at cluster scope: what people
// read as the subject of a change or an error.
func (e Entry) String() string {
	if e.Namespace == "" {
		return e.Kind + "/" + e.Name
	}
	return e.Kind + "/" + e.Namespace + "/" + e.Name
}

// GroupKind returns what the entry is an object of.
func (e Entry) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: e.Group, Kind: e.Kind}
}

// GroupVersionKind returns the kind at the version that it was applied with.
func (e Entry) GroupVersionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: e.Group, Version: e.Version, Kind: e.Kind}
}

// identity is the entry without its version: what it is compared by.
func (e Entry) identity() Entry {
	e.Version = ""
	return e
}

func colonKind(kind string) bool {
	switch kind {
	case "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding":
		return true
	}
	return false
}
