package events

import (
	"encoding/json"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestJournal(t *testing.T) {
	var lines []map[string]any
	log := funcr.NewJSON(func(line string) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fields)
	}, funcr.Options{Verbosity: 1})
	j := NewJournal(log)
	f := Fact{
		Subject:  Subject{GroupVersionKind: schema.GroupVersionKind{Group: "g.io", Version: "v1", Kind: "Kind"}, Namespace: "ns", Name: "name"},
		Severity: Info, Reason: "Succeeded", Message: "it is done", Controller: "a-controller",
		Annotations: map[string]string{"g.io/revision": "v1"},
	}
	j.Handle(t.Context(), f)
	f.Severity, f.Annotations = Trace, nil
	j.Handle(t.Context(), f)
	f.Severity = Error
	j.Handle(t.Context(), f)
	want := map[string]any{
		"logger": "", "level": 0.0, "msg": "it is done", "controller": "a-controller", "controllerGroup": "g.io", "controllerKind": "Kind",
		"namespace": "ns", "name": "name", "reason": "Succeeded", "revision": "v1",
	}
	if len(lines) != 2 {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	if diff := cmp.Diff(want, lines[0]); diff != "" {
		t.Errorf("a fact (-want +got)\n%s", diff)
	}
	if lines[1]["level"] != 1.0 || lines[1]["revision"] != nil {
		t.Errorf("a trace: %v", lines[1])
	}
}
