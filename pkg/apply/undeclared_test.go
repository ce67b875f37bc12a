package apply

import (
	"errors"
	"testing"
)

func TestUndeclaredPaths(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"one":     {`failed to create typed patch object (default/x; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema`, []string{".spec.foo"}},
		"several": {"failed to create typed patch object (default/x; apps/v1, Kind=Deployment): errors:\n  .spec.foo: field not declared in schema\n  .spec.template.spec.containers[name=\"a: b\"].bar: field not declared in schema\n", []string{".spec.foo", `.spec.template.spec.containers[name="a: b"].bar`}},
		"mixed":   {"errors:\n  .spec.foo: field not declared in schema\n  .spec.bar: expected string, got 1", []string{".spec.foo"}},
		"none":    {"something else", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { equal(t, test.want, undeclaredPaths(test.text)) })
	}
}

func TestParsePath(t *testing.T) {
	tests := map[string][]element{
		".spec.foo":                    {{field: "spec", index: -1}, {field: "foo", index: -1}},
		`.l[name="a"].x`:               {{field: "l", index: -1}, {keys: `{"name":"a"}`, index: -1}, {field: "x", index: -1}},
		`.l[port=80,protocol="TCP"].x`: {{field: "l", index: -1}, {keys: `{"port":80,"protocol":"TCP"}`, index: -1}, {field: "x", index: -1}},
		`.l[name="]\"[."].x`:           {{field: "l", index: -1}, {keys: `{"name":"]\"[."}`, index: -1}, {field: "x", index: -1}},
		".l[3].x":                      {{field: "l", index: -1}, {index: 3}, {field: "x", index: -1}},
	}
	for path, want := range tests {
		got, ok := parsePath(path)
		if !ok {
			t.Errorf("%s: not parsed", path)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got %v", path, got)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: element %d is %v, want %v", path, i, got[i], want[i])
			}
		}
	}
	for _, path := range []string{"", "x", "..", ".a[", ".a[x]", ".a[=\"x\"]"} {
		if got, ok := parsePath(path); ok {
			t.Errorf("%q: got %v", path, got)
		}
	}
}

func TestCutUndeclared(t *testing.T) {
	refusal := errors.New("x: .spec.template.spec.containers[name=\"b\"].foo: field not declared in schema")
	build := func(apiVersion string) *trial {
		obj := parse(t, `{kind: Deployment, metadata: {name: a}, spec: {template: {spec: {containers: [{name: a, foo: 1}, {name: b, foo: 2}]}}}}`)
		obj.SetAPIVersion(apiVersion)
		return &trial{step: &step{obj: obj, entry: EntryOf(obj)}}
	}
	tr := build("apps/v1")
	equal(t, true, tr.cutUndeclared(refusal))
	equal(t, parse(t, `{c: [{name: a, foo: 1}, {name: b}]}`).Object["c"],
		field(tr.obj, "spec", "template", "spec", "containers"))
	equal(t, 1, len(tr.warnings))
	equal(t, false, tr.cutUndeclared(refusal)) // it is not there any more
	equal(t, false, build("example.org/v1").cutUndeclared(refusal))
	equal(t, false, build("apps/v1").cutUndeclared(errors.New("something else")))
	equal(t, false, build("apps/v1").cutUndeclared(nil))
}
