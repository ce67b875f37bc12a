package world

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// Is says something about an object, which is nil if there is none.
type Is = func(*unstructured.Unstructured) bool

// All says whether all of several things are so.
func All(conditions ...Is) Is {
	return func(obj *unstructured.Unstructured) bool {
		for _, c := range conditions {
			if !c(obj) {
				return false
			}
		}
		return true
	}
}

// Not says whether something is not so.
func Not(c Is) Is { return func(obj *unstructured.Unstructured) bool { return !c(obj) } }

// Has says whether a condition is as short says, such as False/AuthenticationFailed.
func Has(kind, short string) Is {
	return func(obj *unstructured.Unstructured) bool {
		got, _ := Condition(obj, kind)
		return got == short
	}
}

// Condition returns status/reason of a condition, and its message.
func Condition(obj *unstructured.Unstructured, kind string) (short, message string) {
	status, reason, message := harness.Condition(obj, kind)
	if status == "" {
		return "", ""
	}
	return status + "/" + reason, message
}

// Field returns a string field, empty if there is none.
func Field(obj *unstructured.Unstructured, path ...string) string {
	if obj == nil {
		return ""
	}
	text, _, _ := unstructured.NestedString(obj.Object, path...)
	return text
}

// Revision is that of the artifact of a source.
func Revision(obj *unstructured.Unstructured) string {
	return Field(obj, "status", "artifact", "revision")
}

// Equal fails the test if want and got differ.
func Equal(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

// Contains fails the test if text lacks any of parts.
func Contains(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: no %q in %q", what, part, text)
		}
	}
}
