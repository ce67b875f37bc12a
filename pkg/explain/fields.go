package explain

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
)

// The fields below are those that all kinds of Flux have in common.

func text(obj *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(obj.Object, path...)
	return s
}

func flag(obj *unstructured.Unstructured, path ...string) bool {
	b, _, _ := unstructured.NestedBool(obj.Object, path...)
	return b
}

func list(obj map[string]any, path ...string) []any {
	l, _, _ := unstructured.NestedFieldNoCopy(obj, path...)
	all, _ := l.([]any)
	return all
}

// conditionsOf returns the conditions in status.
func conditionsOf(obj *unstructured.Unstructured) []metav1.Condition {
	var status struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	fields, _, _ := unstructured.NestedFieldNoCopy(obj.Object, "status")
	if m, ok := fields.(map[string]any); ok {
		// What does not fit is not there: a condition of some other kind.
		_ = runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"conditions": m["conditions"]}, &status)
	}
	return status.Conditions
}

func readyOf(obj *unstructured.Unstructured) *metav1.Condition {
	return conditions.Get(conditionsOf(obj), api.ConditionReady)
}

// observed says whether status speaks of the spec as it is.
func observed(obj *unstructured.Unstructured) bool {
	g, ok, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration")
	return ok && g == obj.GetGeneration()
}

// isReady says whether an object is ready, and its status up to date.
func isReady(obj *unstructured.Unstructured) bool {
	ready := readyOf(obj)
	return ready != nil && ready.Status == metav1.ConditionTrue && observed(obj)
}

// outdated says whether a condition speaks of an older spec.
func outdated(c *metav1.Condition, obj *unstructured.Unstructured) bool {
	return c.ObservedGeneration > 0 && c.ObservedGeneration < obj.GetGeneration()
}

// artifactOf returns revision and digest of what a source has; empty if it has nothing.
func artifactOf(obj *unstructured.Unstructured) (revision, digest string) {
	return text(obj, "status", "artifact", "revision"), text(obj, "status", "artifact", "digest")
}

// revisionOf returns what an object stands for.
func revisionOf(obj *unstructured.Unstructured) string {
	if r, _ := artifactOf(obj); r != "" {
		return r
	}
	if r := text(obj, "status", "lastAppliedRevision"); r != "" {
		return r
	}
	return text(obj, "status", "lastAttemptedRevision")
}

// isStatic says whether an object is a mere description, which nobody reconciles: a
// HelmRepository of a registry, or what others publish.
func isStatic(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == api.HelmRepositoryKind && text(obj, "spec", "type") == "oci" ||
		obj.GetKind() == api.ExternalArtifactKind
}

// durations returns the times that spec sets, as people read them.
func durations(obj *unstructured.Unstructured) string {
	var out string
	for _, f := range []struct{ field, label string }{{"interval", "every"}, {"retryInterval", "after a failure"}, {"timeout", "with a timeout of"}} {
		if d, err := time.ParseDuration(text(obj, "spec", f.field)); err == nil && d > 0 {
			out = join(out, f.label+" "+span(d))
		}
	}
	return out
}

func join(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + ", " + other
}
