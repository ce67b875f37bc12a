package events

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An object hands its events the annotations that are meant for them, and no others.
func TestAnnotations(t *testing.T) {
	obj := &metav1.ObjectMeta{Annotations: map[string]string{
		"event.toolkit.fluxcd.io/team": "edge", "event.toolkit.fluxcd.io/revision": "mine", "team": "other",
		"events.toolkit.fluxcd.io/no": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}",
	}}
	own := map[string]string{"source.toolkit.fluxcd.io/revision": "v1"}
	want := map[string]string{
		"source.toolkit.fluxcd.io/revision": "v1", "event.toolkit.fluxcd.io/team": "edge", "event.toolkit.fluxcd.io/revision": "mine",
	}
	if diff := cmp.Diff(want, Annotations(obj, own)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(own) != 1 {
		t.Errorf("the given annotations became %v", own)
	}
	if got := Annotations(&metav1.ObjectMeta{}, nil); got != nil {
		t.Errorf("nothing became %v", got)
	}
}
