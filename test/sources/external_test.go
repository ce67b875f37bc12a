package sources

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// external is an ExternalArtifact and who serves it.
type external struct {
	sources
	server *httptest.Server
	served sync.Map // []byte by path
}

func (w sources) external(name string) *external {
	w.T.Helper()
	e := &external{sources: w}
	e.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		content, ok := e.served.Load(r.URL.Path)
		if !ok {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(content.([]byte)) // or the client is gone
	}))
	w.T.Cleanup(e.server.Close)
	w.Create("apiVersion: source.toolkit.fluxcd.io/v1\nkind: ExternalArtifact\nmetadata: {name: " + name + ", namespace: NS}\nspec: {}\n")
	return e
}

// write says in the status of an ExternalArtifact what a controller of it would,
// with the digest of content unless another is given.
func (e *external) write(name, revision string, content files, digest string) {
	e.T.Helper()
	archive, err := upstream.Archive(e.expanded(content))
	if err != nil {
		e.T.Fatal(err)
	}
	if digest == "" {
		digest = "sha256:" + upstream.Digest(archive)
	}
	file := path.Join("externalartifact", e.Namespace, name, revision+".tar.gz")
	e.served.Store("/"+file, archive)
	status, err := json.Marshal(map[string]any{"status": map[string]any{
		"artifact": map[string]any{
			"digest": digest, "path": file, "url": e.server.URL + "/" + file, "revision": revision,
			"lastUpdateTime": time.Now().UTC().Format(time.RFC3339), "size": len(archive),
		},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		}},
	}})
	if err != nil {
		e.T.Fatal(err)
	}
	e.Kubectl("patch", "externalartifact", name, "--subresource=status", "--type=merge", "-p", string(status))
}

func TestExternalArtifact(t *testing.T) {
	e := newWorld(t).external("apps")
	e.apply("web", "ExternalArtifact", "apps")
	e.Wait(harness.Kustomized, "web", harness.Failed("ArtifactFailed"))
	e.write("apps", "latest@sha256-1", files{"config.yaml": configMap("web", "1")}, "")
	e.Wait(harness.Kustomized, "web", applied("latest@sha256-1"))
	e.Wait(harness.ConfigMaps, "web", data("1"))
	e.write("apps", "latest@sha256-2", files{"config.yaml": configMap("web", "2")}, "")
	e.Wait(harness.ConfigMaps, "web", data("2"))

	// What is not what the digest says is not applied.
	e.write("apps", "latest@sha256-3", files{"config.yaml": configMap("web", "3")}, "sha256:"+upstream.Digest([]byte("something else")))
	obj := e.Wait(harness.Kustomized, "web", harness.Failed("ArtifactFailed"))
	_, message := world.Condition(obj, "Ready")
	world.Contains(t, "message", message, "digest")
	e.Wait(harness.ConfigMaps, "web", data("2"))
	world.Equal(t, "writes to the ExternalArtifact", "", world.Field(e.Get(api.ExternalArtifactGVR, "apps"), "metadata", "deletionTimestamp"))
}

// The chart of a HelmRelease may be an artifact of others as well.
func TestExternalArtifactAsAChart(t *testing.T) {
	e := newWorld(t).external("chart")
	chart := func(version string) files {
		return files{
			"app/Chart.yaml":            "apiVersion: v2\nname: app\nversion: " + version + "\n",
			"app/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {key: '{{ .Chart.Version }}'}\n",
		}
	}
	e.Create(e.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web", "chartRef: {kind: ExternalArtifact, name: chart}"))
	e.Wait(api.HelmReleaseGVR, "web", harness.Failed("SourceNotReady"))
	e.write("chart", "1.0.0", chart("1.0.0"), "")
	obj := e.Wait(api.HelmReleaseGVR, "web", harness.Ready)
	world.Equal(t, "attempted", "1.0.0", world.Field(obj, "status", "lastAttemptedRevision"))
	e.write("chart", "1.1.0", chart("1.1.0"), "")
	e.Wait(harness.ConfigMaps, "web", data("1.1.0"))
}
