// Package conditions edits lists of conditions as values.
//
// Nothing here changes its arguments, and nothing reads a clock: the caller says
// what time it is. Lists come back in the order in which they are stored:
// Stalled, Reconciling, Ready, then the others by the generation they were
// observed at, newest first, then by name.
package conditions

import (
	"cmp"
	"slices"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// MaxMessage is the most bytes that a message may have. The API server accepts as
// many characters.
const MaxMessage = 32768

const ellipsis = "..."

// Set returns list with c in it, in place of a condition of the same type.
//
// The caller fills type, status, reason, message and observedGeneration. The time
// of transition becomes now, in whole seconds, when status, reason or message
// differ from what was there, and stays otherwise.
func Set(list []metav1.Condition, c metav1.Condition, now time.Time) []metav1.Condition {
	c.Message = trim(c.Message)
	c.LastTransitionTime = metav1.NewTime(now.UTC().Truncate(time.Second))
	if old := Get(list, c.Type); old != nil && same(*old, c) {
		c.LastTransitionTime = old.LastTransitionTime
	}
	return Sort(append(Delete(list, c.Type), c))
}

// Delete returns list without the conditions of the given types.
func Delete(list []metav1.Condition, types ...string) []metav1.Condition {
	out := make([]metav1.Condition, 0, len(list)+1)
	for _, c := range list {
		if !slices.Contains(types, c.Type) {
			out = append(out, c)
		}
	}
	return out
}

// Get returns a copy of the condition of type t, or nil.
func Get(list []metav1.Condition, t string) *metav1.Condition {
	for _, c := range list {
		if c.Type == t {
			return &c
		}
	}
	return nil
}

// Has says whether list has a condition of type t.
func Has(list []metav1.Condition, t string) bool {
	return Get(list, t) != nil
}

// IsTrue says whether list has a condition of type t and it is True.
func IsTrue(list []metav1.Condition, t string) bool {
	return is(list, t, metav1.ConditionTrue)
}

// IsFalse says whether list has a condition of type t and it is False.
func IsFalse(list []metav1.Condition, t string) bool {
	return is(list, t, metav1.ConditionFalse)
}

func is(list []metav1.Condition, t string, s metav1.ConditionStatus) bool {
	c := Get(list, t)
	return c != nil && c.Status == s
}

// Sort returns list in the order in which it is stored.
func Sort(list []metav1.Condition) []metav1.Condition {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b metav1.Condition) int {
		return cmp.Or(
			cmp.Compare(rank(a.Type), rank(b.Type)),
			cmp.Compare(b.ObservedGeneration, a.ObservedGeneration),
			cmp.Compare(a.Type, b.Type),
		)
	})
	return out
}

// Equal says whether a and b would be stored as the same list.
func Equal(a, b []metav1.Condition) bool {
	return slices.EqualFunc(Sort(a), Sort(b), func(x, y metav1.Condition) bool {
		return same(x, y) && x.Type == y.Type && x.ObservedGeneration == y.ObservedGeneration &&
			x.LastTransitionTime.Equal(&y.LastTransitionTime)
	})
}

// same compares what people read.
func same(a, b metav1.Condition) bool {
	return a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message
}

func rank(t string) int {
	switch t {
	case api.ConditionStalled:
		return 0
	case api.ConditionReconciling:
		return 1
	case api.ConditionReady:
		return 2
	}
	return 3
}

// trim cuts s to [MaxMessage] bytes, never through a character: an invalid one
// would come back from the API server as something else and look like a change.
func trim(s string) string {
	if len(s) <= MaxMessage {
		return s
	}
	end := MaxMessage - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
