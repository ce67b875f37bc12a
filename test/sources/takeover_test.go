package sources

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// fluxDigest is that of an archive that fluxd would not make.
const fluxDigest = "sha256:34d9af1a2fcfaef3ee9487d67dc2d642bc7babdb9444a5f60d1f32df32e4de7d"

// Sources that Flux has reconciled have a finalizer and digests of other archives. They
// stay ready at their revision, nothing that was made of them is applied again, and
// they can be deleted.
func TestTakeover(t *testing.T) {
	w := newOwn(t)
	if err := w.daemon.Kill(); err != nil {
		t.Fatal(err)
	}
	revisions, applied := map[string]string{}, map[string]string{}
	for _, name := range []string{"oci", "bucket", "charts", "chart"} {
		gvr := everything[name]
		revisions[name] = world.Revision(w.Get(gvr, name))
		w.Patch(gvr, name, map[string]any{"metadata": map[string]any{"finalizers": []any{api.Finalizer}}})
		status, err := json.Marshal(map[string]any{"status": map[string]any{"artifact": map[string]any{"digest": fluxDigest, "size": 123}}})
		if err != nil {
			t.Fatal(err)
		}
		w.Kubectl("patch", gvr.Resource, name, "--subresource=status", "--type=merge", "-p", string(status))
	}
	for _, name := range []string{"from-oci", "from-bucket"} {
		applied[name] = w.Get(harness.ConfigMaps, name).GetResourceVersion()
	}
	stop := w.unready()
	w.start()
	w.handled()
	if found := stop(); len(found) > 0 {
		t.Errorf("in between there was\n%s", strings.Join(found, "\n"))
	}
	for name, revision := range revisions {
		obj := w.Get(everything[name], name)
		world.Equal(t, "revision of "+name, revision, world.Revision(obj))
		if got := world.Field(obj, "status", "artifact", "digest"); name != "charts" && got == fluxDigest {
			t.Errorf("%s has the digest of an archive that is not there", name)
		}
	}
	for name, version := range applied {
		world.Equal(t, "version of what was applied "+name, version, w.Get(harness.ConfigMaps, name).GetResourceVersion())
	}
	for name := range revisions {
		w.Delete(everything[name], name)
		w.Wait(everything[name], name, harness.Gone)
	}
}
