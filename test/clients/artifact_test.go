package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// Artifacts that the command line pushes are applied by fluxd.
func TestArtifacts(t *testing.T) {
	w := newFluxWorld(t, nil)
	one, two := w.folder(files{"config.yaml": configMap("config", "1")}), w.folder(files{"config.yaml": configMap("config", "2")})
	push := func(folder, tag string) {
		says(t, w.flux("push", "artifact", w.url("")+":"+tag, "--path="+folder, "--source="+gits.RepoURL(w.repo), "--revision="+tag+"@sha1:"+hash, "--insecure-registry"),
			"► pushing artifact to "+oci.Host(), "✔ artifact successfully pushed to")
	}
	push(one, "1.0.0")
	w.flux("tag", "artifact", w.url("")+":1.0.0", "--tag=stable")
	says(t, w.flux("create", "source", "oci", "app", "--url="+w.url(""), "--tag-semver=1.x", "--insecure", "--interval=10m"), "✔ fetched revision: 1.0.0@sha256:")
	w.flux("create", "kustomization", "app", "--source=OCIRepository/app", "--path=./", "--prune", "--interval=10m")
	w.Wait(harness.ConfigMaps, "config", data("1"))

	push(two, "1.1.0")
	says(t, w.flux("reconcile", "ks", "app", "--with-source"), "✔ fetched revision 1.1.0@sha256:", "✔ applied revision 1.1.0@sha256:")
	w.Wait(harness.ConfigMaps, "config", data("2"))

	list := w.flux("list", "artifacts", w.url(""), "--insecure-registry")
	says(t, list, "ARTIFACT", "DIGEST", "SOURCE", "REVISION")
	for _, tag := range []string{"1.0.0", "1.1.0", "stable"} {
		says(t, list, strings.TrimPrefix(w.url(""), "oci://")+":"+tag)
	}
	says(t, list, "1.0.0@sha1:"+hash)
	pulled := t.TempDir()
	w.flux("pull", "artifact", w.url("")+":stable", "--output="+pulled, "--insecure-registry")
	content, err := os.ReadFile(filepath.Join(pulled, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	world.Equal(t, "what was pulled", w.Expand(configMap("config", "1")), string(content))
	says(t, w.flux("diff", "artifact", w.url("")+":stable", "--path="+one, "--insecure-registry"), "no changes detected")
	w.refused("diff", "artifact", w.url("")+":stable", "--path="+two, "--insecure-registry")

	file := filepath.Join(t.TempDir(), "artifact.tgz")
	says(t, w.flux("build", "artifact", "--path="+one, "--output="+file), "✔ artifact created at "+file)
}

const hash = "0123456789012345678901234567890123456789"
