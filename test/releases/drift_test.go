package releases

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness/world"
)

// With correction switched on, an edit is set back at once, and what was deleted comes
// back; no revision is made.
func TestDriftIsCorrected(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web", "driftDetection: {mode: enabled}")
	obj := r.ready("web")
	r.condition(obj, "Drifted", "False/NoDriftDetected", "No drift detected against the cluster state")
	r.Patch(configMaps, "web-config", map[string]any{"data": map[string]any{"word": "edited"}})
	r.Wait(configMaps, "web-config", func(obj *unstructuredObject) bool { return world.Field(obj, "data", "word") == "hello" })
	r.Kubectl("delete", "configmap", "web-config")
	r.Wait(configMaps, "web-config", func(obj *unstructuredObject) bool { return obj != nil })
	obj = r.Wait(api.HelmReleaseGVR, "web", world.All(world.Has("Ready", "True/InstallSucceeded"), world.Has("Drifted", "False/NoDriftDetected")))
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
}

// With warnings only, drift is told, and what is to be ignored is not.
func TestDriftIsTold(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web", "driftDetection: {mode: warn, ignore: [{paths: [/data/version]}]}")
	r.ready("web")
	r.Patch(configMaps, "web-config", map[string]any{"data": map[string]any{"version": "ignored"}})
	obj := r.Reconciled(api.HelmReleaseGVR, "web")
	r.condition(obj, "Drifted", "False/NoDriftDetected")
	r.Patch(configMaps, "web-config", map[string]any{"data": map[string]any{"word": "edited"}})
	obj = r.Wait(api.HelmReleaseGVR, "web", world.Has("Drifted", "True/DriftDetected"))
	r.condition(obj, "Drifted", "True/DriftDetected", "Cluster state of release "+r.Namespace+"/web.v1 has drifted from the desired state:\n"+
		"ConfigMap/"+r.Namespace+"/web-config changed (0 additions, 1 changes, 0 removals)")
	r.condition(obj, "Ready", "True/InstallSucceeded")
	world.Equal(t, "word", "edited", world.Field(r.Get(configMaps, "web-config"), "data", "word"))
}

// Without it nobody looks.
func TestDriftIsLeftAlone(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web")
	r.ready("web")
	r.Patch(configMaps, "web-config", map[string]any{"data": map[string]any{"word": "edited"}})
	obj := r.Reconciled(api.HelmReleaseGVR, "web")
	r.condition(obj, "Drifted", "")
	world.Equal(t, "word", "edited", world.Field(r.Get(configMaps, "web-config"), "data", "word"))
}
