package conditions

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	before = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	now    = time.Date(2026, 3, 1, 11, 0, 0, 987654321, time.FixedZone("", 3600))
	stored = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC) // now, as it is stored
)

func ready(status metav1.ConditionStatus, reason, message string, generation int64, at time.Time) metav1.Condition {
	return metav1.Condition{
		Type: "Ready", Status: status, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(at),
	}
}

func TestSet(t *testing.T) {
	old := ready("True", "Succeeded", "done", 1, before.Add(-time.Hour))
	cases := map[string]struct {
		list []metav1.Condition
		set  metav1.Condition
		want metav1.Condition
	}{
		"a new condition gets the time in whole seconds": {
			set:  ready("True", "Succeeded", "done", 1, time.Time{}),
			want: ready("True", "Succeeded", "done", 1, stored),
		},
		"an equal condition keeps its time": {
			list: []metav1.Condition{old},
			set:  ready("True", "Succeeded", "done", 1, time.Time{}),
			want: old,
		},
		"a new generation alone is noted without a new time": {
			list: []metav1.Condition{old},
			set:  ready("True", "Succeeded", "done", 2, time.Time{}),
			want: ready("True", "Succeeded", "done", 2, old.LastTransitionTime.Time),
		},
		"another status gets a new time": {
			list: []metav1.Condition{old},
			set:  ready("False", "Succeeded", "done", 1, time.Time{}),
			want: ready("False", "Succeeded", "done", 1, stored),
		},
		"another reason gets a new time": {
			list: []metav1.Condition{old},
			set:  ready("True", "Failed", "done", 1, time.Time{}),
			want: ready("True", "Failed", "done", 1, stored),
		},
		"another message gets a new time": {
			list: []metav1.Condition{old},
			set:  ready("True", "Succeeded", "done again", 1, time.Time{}),
			want: ready("True", "Succeeded", "done again", 1, stored),
		},
		"the caller's time does not count": {
			list: []metav1.Condition{old},
			set:  ready("True", "Succeeded", "done", 1, now.Add(time.Hour)),
			want: old,
		},
		"of two of the same type one is left": {
			list: []metav1.Condition{old, ready("False", "Failed", "oops", 1, before)},
			set:  ready("True", "Succeeded", "done", 1, time.Time{}),
			want: old,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Set(tc.list, tc.set, now)
			if diff := cmp.Diff([]metav1.Condition{tc.want}, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestSetLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	list := make([]metav1.Condition, 2, 8)
	list[0] = ready("True", "Succeeded", "done", 1, before)
	list[1] = metav1.Condition{Type: "Stalled", Status: "True"}
	Set(list, ready("False", "Failed", "oops", 2, before), now)
	Delete(list, "Ready")
	Sort(list)
	if list[0].Type != "Ready" || list[0].Status != "True" || list[1].Type != "Stalled" {
		t.Errorf("the list was changed: %v", list)
	}
	if list[:3][2].Type != "" {
		t.Errorf("the space behind the list was used: %v", list[:3])
	}
}

func TestMessages(t *testing.T) {
	cases := map[string]struct {
		message string
		length  int // of the result
		cut     bool
	}{
		"the longest that fits stays whole":    {strings.Repeat("x", MaxMessage), MaxMessage, false},
		"one byte more is cut":                 {strings.Repeat("x", MaxMessage+1), MaxMessage, true},
		"a character is dropped, never halved": {strings.Repeat("é", MaxMessage), MaxMessage - 1, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := Set(nil, ready("False", "Failed", tc.message, 1, before), now)
			got := Get(list, "Ready").Message
			if len(got) != tc.length || strings.HasSuffix(got, "...") != tc.cut || !utf8.ValidString(got) {
				t.Errorf("got %d bytes ending in %q", len(got), got[len(got)-8:])
			}
			again := Set(list, ready("False", "Failed", tc.message, 1, before), now.Add(time.Hour))
			if diff := cmp.Diff(list, again); diff != "" {
				t.Errorf("setting it again changed it: -first +second\n%s", diff)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	list := []metav1.Condition{{Type: "A"}, {Type: "B"}, {Type: "C"}}
	cases := map[string]struct {
		types []string
		want  []string
	}{
		"nothing":                    {nil, []string{"A", "B", "C"}},
		"one":                        {[]string{"B"}, []string{"A", "C"}},
		"several, and one not there": {[]string{"C", "A", "Z"}, []string{"B"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, types(Delete(list, tc.types...))); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	list := []metav1.Condition{
		{Type: "Released", ObservedGeneration: 1},
		{Type: "Ready", ObservedGeneration: 1},
		{Type: "TestSuccess", ObservedGeneration: 2},
		{Type: "Reconciling", ObservedGeneration: 0},
		{Type: "Drifted", ObservedGeneration: 1},
		{Type: "Remediated", ObservedGeneration: 2},
		{Type: "Stalled", ObservedGeneration: 0},
	}
	want := []string{"Stalled", "Reconciling", "Ready", "Remediated", "TestSuccess", "Drifted", "Released"}
	if diff := cmp.Diff(want, types(Sort(list))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestQuestions(t *testing.T) {
	list := []metav1.Condition{
		{Type: "T", Status: "True"}, {Type: "F", Status: "False"}, {Type: "U", Status: "Unknown"},
	}
	cases := map[string]struct {
		typ                  string
		has, isTrue, isFalse bool
	}{
		"true":    {"T", true, true, false},
		"false":   {"F", true, false, true},
		"unknown": {"U", true, false, false},
		"absent":  {"A", false, false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := []bool{Has(list, tc.typ), IsTrue(list, tc.typ), IsFalse(list, tc.typ)}
			want := []bool{tc.has, tc.isTrue, tc.isFalse}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("has, true, false: -want +got\n%s", diff)
			}
		})
	}
}

func TestEqual(t *testing.T) {
	a := ready("True", "Succeeded", "done", 1, before)
	b := metav1.Condition{Type: "Healthy", Status: "True", ObservedGeneration: 1}
	cases := map[string]struct {
		x, y []metav1.Condition
		want bool
	}{
		"nil and empty":        {nil, []metav1.Condition{}, true},
		"in another order":     {[]metav1.Condition{a, b}, []metav1.Condition{b, a}, true},
		"one missing":          {[]metav1.Condition{a, b}, []metav1.Condition{a}, false},
		"another generation":   {[]metav1.Condition{a}, []metav1.Condition{ready("True", "Succeeded", "done", 2, before)}, false},
		"another time":         {[]metav1.Condition{a}, []metav1.Condition{ready("True", "Succeeded", "done", 1, stored.Add(1e9))}, false},
		"same time, elsewhere": {[]metav1.Condition{a}, []metav1.Condition{ready("True", "Succeeded", "done", 1, before.In(now.Location()))}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Equal(tc.x, tc.y); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func types(list []metav1.Condition) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Type)
	}
	return out
}
