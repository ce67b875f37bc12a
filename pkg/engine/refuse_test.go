package engine

import (
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/kube"
)

func TestUndecodable(t *testing.T) {
	const message = "GitRepository edge/it does not decode: spec.interval: does not fit"
	refused := map[string]string{
		"Ready": "False InvalidSpec: " + message, "Stalled": "True InvalidSpec: " + message,
		"ArtifactInStorage": "True Succeeded: stored",
	}
	inWorld(t, func(t *testing.T, w *world) {
		dependent(w)
		w.start()
		o := repository("it")
		o.Status.Conditions = conditionsOf([4]string{"ArtifactInStorage", "True", "Succeeded", "stored"})
		key := w.create(o)
		other := w.create(repository("other"))
		w.create(app("it"))
		w.wait(settled)
		w.written()
		readers := w.apps.count("it")

		w.spoil(key)
		w.wait(settled)
		bad := get[*kube.Undecodable](t, w.cluster, key)
		if diff := summaryDiff(refused, bad.Status.Conditions); diff != "" {
			t.Errorf("conditions (-want +got): %s", diff)
		}
		if bad.Status.ObservedGeneration != 2 {
			t.Errorf("observed generation %d, want 2", bad.Status.ObservedGeneration)
		}
		if w.apps.count("it") == readers {
			t.Error("nobody told the readers")
		}
		w.wantWrites("status " + key.String())

		// Refused once: neither a wake nor a restart says it again.
		w.engine.Wake(key)
		w.wait(24 * time.Hour)
		w.end()
		w.start()
		w.wait(settled)
		w.wantWrites()
		w.wantConditions(other, map[string]string{"Ready": "True Succeeded: done"})

		// Healed by an edit.
		healed := repository("it")
		healed.Generation, healed.Status.Conditions = 3, bad.Status.Conditions
		w.put(healed)
		w.wait(settled)
		w.wantConditions(key, map[string]string{
			"Ready": "True Succeeded: done", "ArtifactInStorage": "True Succeeded: stored",
		})
		if got := get[*sourcev1.GitRepository](t, w.cluster, key).Status.ObservedGeneration; got != 3 {
			t.Errorf("observed generation %d, want 3", got)
		}
	})
}

// A request is answered, and the answer goes to the version that it is about.
func TestUndecodableRequests(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		o := repository("it")
		o.Annotations = map[string]string{api.AnnotationReconcileRequest: "now"}
		key := w.create(o)
		w.wait(settled)
		w.annotate(key, "later")
		w.spoil(key)
		w.wait(settled)
		if got := get[*kube.Undecodable](t, w.cluster, key).Status.LastHandledReconcileAt; got != "later" {
			t.Errorf("handled %q", got)
		}
	})
}
