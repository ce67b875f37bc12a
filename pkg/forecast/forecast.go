package forecast

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Action is what would be done with an object.
type Action string

// The actions. Those that an apply reports have the words that it uses.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
	Skipped    Action = "skipped"
	Deleted    Action = "deleted"
	// Recreated: the object is deleted and created again, since the change is one that
	// the API server allows for no object that exists.
	Recreated Action = "recreated"
	// Failed: the API server refuses the object.
	Failed Action = "failed"
)

// Object is the forecast for one object.
type Object struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Action    Action `json:"action"`
	// Change is what the new revision has otherwise than the one that is applied now.
	Change []Field `json:"change,omitempty"`
	// Drift is what the cluster has otherwise than the revision that is applied now.
	Drift []Field `json:"drift,omitempty"`
	// Restored says that the object would be created because somebody has deleted it.
	Restored bool `json:"restored,omitempty"`
	// Unverified says that the API server could not be asked, since what the object
	// needs, such as its namespace, is only created by the same apply.
	Unverified bool `json:"unverified,omitempty"`
	// Withheld says that the reader may know that there is a difference, and not which.
	Withheld bool `json:"withheld,omitempty"`
	// Message explains the action: the refusal of the API server, or why an object is
	// left alone.
	Message string `json:"message,omitempty"`
	// Notes are sentences for people.
	Notes []string `json:"notes,omitempty"`

	// Resource is the plural name under which the kind is served, if it is known.
	Resource string `json:"-"`
	// Result is the object as it would be, nil if that is not known. It may hold
	// secrets, so it is not for people.
	Result *unstructured.Unstructured `json:"-"`
}

// GroupKind returns what the object is one of.
func (o Object) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: o.Group, Kind: o.Kind}
}

// String returns Kind/namespace/name, or Kind/name at cluster scope.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + "/" + o.Name
	}
	return o.Kind + "/" + o.Namespace + "/" + o.Name
}

// Changes says whether anything would be done with the object.
func (o Object) Changes() bool { return o.Action != Unchanged && o.Action != Skipped }

// Owner is the forecast for an object that applies others.
type Owner struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Revision is what would be applied, Current what is applied now.
	Revision string `json:"revision,omitempty"`
	Current  string `json:"current,omitempty"`
	// Objects are in the order in which they would be applied, then those that would
	// be deleted.
	Objects []Object `json:"objects,omitempty"`
	// Notes are sentences for people about the whole.
	Notes []string `json:"notes,omitempty"`
	// Error says why there is no forecast, such as a build that fails.
	Error string `json:"error,omitempty"`

	// Remote says that the objects are in another cluster, and RemoteSecret which Secret
	// beside the object leads there, if it is one.
	Remote       bool   `json:"-"`
	RemoteSecret string `json:"-"`
}

// String returns Kind/namespace/name.
func (o Owner) String() string { return o.Kind + "/" + o.Namespace + "/" + o.Name }

// Refused counts the objects that the API server refuses.
func (o Owner) Refused() int { return o.count(func(obj Object) bool { return obj.Action == Failed }) }

// Changed counts the objects that something would be done with.
func (o Owner) Changed() int { return o.count(Object.Changes) }

func (o Owner) count(is func(Object) bool) int {
	n := 0
	for _, obj := range o.Objects {
		if is(obj) {
			n++
		}
	}
	return n
}

// Expected is what objects may count on although the cluster does not have it yet,
// because the same apply, or one before it, creates it. The zero value is nothing.
type Expected struct {
	namespaces map[string]bool
	kinds      map[schema.GroupKind]bool
}

// Add notes what objects provide that would be created.
func (e *Expected) Add(objects []Object) {
	for _, o := range objects {
		if o.Action != Created && o.Action != Recreated {
			continue
		}
		switch {
		case o.Group == "" && o.Kind == "Namespace":
			e.AddNamespace(o.Name)
		case o.Group == "apiextensions.k8s.io" && o.Kind == "CustomResourceDefinition" && o.Result != nil:
			group, _, _ := unstructured.NestedString(o.Result.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Result.Object, "spec", "names", "kind")
			if e.kinds == nil {
				e.kinds = map[schema.GroupKind]bool{}
			}
			e.kinds[schema.GroupKind{Group: group, Kind: kind}] = true
		}
	}
}

// AddNamespace notes that a namespace would be created.
func (e *Expected) AddNamespace(name string) {
	if e.namespaces == nil {
		e.namespaces = map[string]bool{}
	}
	e.namespaces[name] = true
}

// Namespace says whether a namespace is expected.
func (e *Expected) Namespace(name string) bool { return e != nil && e.namespaces[name] }

// Kind says whether a kind is expected to be served.
func (e *Expected) Kind(gk schema.GroupKind) bool { return e != nil && e.kinds[gk] }

// Clone returns a copy that can be added to.
func (e *Expected) Clone() *Expected {
	c := &Expected{}
	if e == nil {
		return c
	}
	for name := range e.namespaces {
		c.AddNamespace(name)
	}
	for gk := range e.kinds {
		if c.kinds == nil {
			c.kinds = map[schema.GroupKind]bool{}
		}
		c.kinds[gk] = true
	}
	return c
}

// token escapes a name for a path.
func token(name string) string {
	if name == "" || strings.ContainsAny(name, ".[]\"/ ") {
		return `["` + strings.ReplaceAll(name, `"`, `\"`) + `"]`
	}
	return name
}
