package engine

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIndex(t *testing.T) {
	x := newIndex()
	a, b, source, secret := named("a"), named("b"), named("source"), named("secret")
	x.set(a, []Key{source, secret})
	x.set(b, []Key{source, source})
	want := func(ref Key, names ...string) {
		t.Helper()
		var got []string
		for _, k := range x.dependents(ref) {
			got = append(got, k.Name)
		}
		slices.Sort(got)
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("who reads %s (-want +got): %s", ref.Name, diff)
		}
	}
	want(source, "a", "b")
	want(secret, "a")
	x.set(a, []Key{secret})
	want(source, "b")
	x.set(b, nil)
	want(source)
	x.drop(a)
	want(secret)
	if len(x.reads)+len(x.readers) != 0 {
		t.Errorf("the index has not forgotten: %v, %v", x.reads, x.readers)
	}
}
