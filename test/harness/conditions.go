package harness

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Condition returns the status, reason and message of a condition.
func Condition(obj *unstructured.Unstructured, kind string) (status, reason, message string) {
	if obj == nil {
		return "", "", ""
	}
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, item := range list {
		c, ok := item.(map[string]any)
		if !ok || c["type"] != kind {
			continue
		}
		status, _ = c["status"].(string)
		reason, _ = c["reason"].(string)
		message, _ = c["message"].(string)
	}
	return status, reason, message
}

// ConditionTime returns when a condition changed last, zero if there is none.
func ConditionTime(obj *unstructured.Unstructured, kind string) time.Time {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, item := range list {
		c, ok := item.(map[string]any)
		if !ok || c["type"] != kind {
			continue
		}
		text, _ := c["lastTransitionTime"].(string)
		at, err := time.Parse(time.RFC3339, text)
		if err == nil {
			return at
		}
	}
	return time.Time{}
}

// Ready says whether an object is ready at its newest generation.
func Ready(obj *unstructured.Unstructured) bool {
	status, _, _ := Condition(obj, "Ready")
	return status == "True" && Observed(obj)
}

// Established says whether a kind that was defined is served.
func Established(obj *unstructured.Unstructured) bool {
	status, _, _ := Condition(obj, "Established")
	return status == "True"
}

// Observed says whether the status speaks of the newest generation.
func Observed(obj *unstructured.Unstructured) bool {
	if obj == nil {
		return false
	}
	observed, _, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration")
	return observed == obj.GetGeneration()
}

// Failed returns what says whether an object is not ready, for the given reason.
func Failed(reason string) func(*unstructured.Unstructured) bool {
	return func(obj *unstructured.Unstructured) bool {
		status, why, _ := Condition(obj, "Ready")
		return status == "False" && why == reason
	}
}

// Gone says whether there is no object.
func Gone(obj *unstructured.Unstructured) bool { return obj == nil }

// Field returns what says whether a string field has a value.
func Field(value string, path ...string) func(*unstructured.Unstructured) bool {
	return func(obj *unstructured.Unstructured) bool {
		if obj == nil {
			return false
		}
		got, _, _ := unstructured.NestedString(obj.Object, path...)
		return got == value
	}
}
