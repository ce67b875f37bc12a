package apply

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// flags are what a record keeps of an object beyond its digests.
type flags uint16

const (
	// The marks by which people steer one object, as label or annotation. Each is
	// <prefix>/<word>: <value>, the value in any case.
	markDisabled     flags = 1 << iota // reconcile: disabled
	markIgnore                         // ssa: Ignore
	markIfNotPresent                   // ssa: IfNotPresent
	markMerge                          // ssa: Merge
	markForce                          // force: enabled
	markKeep                           // prune: disabled
	// markNoRepair is the mark of [Config.DriftKey].
	markNoRepair

	// deleting: the object has a deletion timestamp.
	deleting
	// foreign: managers or annotations that a takeover removes are on the object.
	foreign
	// expires: the object is a Job that deletes itself when it is done, so that its
	// absence says nothing.
	expires
	// timed: a Pod that is not scheduled, whose health changes by the passing of
	// time alone.
	timed
	// stale: the terms under which the record was made have changed since.
	stale
)

// hands are the marks that tell us to keep our hands off the object.
const hands = markDisabled | markIgnore

// marksOf returns the marks on obj under the given prefix, such as
// kustomize.toolkit.fluxcd.io.
func marksOf(obj *unstructured.Unstructured, prefix string) flags {
	return marksIn(field(obj, "metadata", "annotations"), prefix) | marksIn(field(obj, "metadata", "labels"), prefix)
}

func marksIn(metadata any, prefix string) flags {
	var f flags
	m, _ := metadata.(map[string]any)
	for key, v := range m {
		value, _ := v.(string)
		if word, ok := strings.CutPrefix(key, prefix); ok && prefix != "" {
			f |= mark(word, value)
		}
	}
	return f
}

func mark(word, value string) flags {
	switch {
	case word == "/reconcile" && strings.EqualFold(value, "disabled"):
		return markDisabled
	case word == "/force" && strings.EqualFold(value, "enabled"):
		return markForce
	case word == "/prune" && strings.EqualFold(value, "disabled"):
		return markKeep
	case word != "/ssa":
		return 0
	case strings.EqualFold(value, "ignore"):
		return markIgnore
	case strings.EqualFold(value, "ifnotpresent"):
		return markIfNotPresent
	case strings.EqualFold(value, "merge"):
		return markMerge
	}
	return 0
}

// field returns the value at path, or nil. Unlike the helpers of apimachinery it
// neither copies nor complains: an object of the wrong shape has no such field.
func field(obj *unstructured.Unstructured, path ...string) any {
	var v any = obj.Object
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// text is [field] for strings.
func text(obj *unstructured.Unstructured, path ...string) string {
	s, _ := field(obj, path...).(string)
	return s
}
