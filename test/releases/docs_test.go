package releases

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// The example of the documentation works as it stands, but for where the registry is.
func TestDocumentedExample(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "helmreleases.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("docs/helmreleases.md has no example")
	}
	r := newRelease(t)
	r.push(proven("1.4.0"))
	example = strings.NewReplacer(
		"namespace: apps", "namespace: NS",
		"url: oci://registry.example.com/", "insecure: true\n  url: oci://"+r.registry.Host()+"/",
	).Replace(example)
	r.Create(example)
	obj := r.Wait(api.HelmReleaseGVR, "app", harness.Ready)
	r.condition(obj, "Ready", "True/TestSucceeded")
	world.Equal(t, "history", []string{"1 deployed 1.4.0"}, history(obj))
	world.Equal(t, "word", "from a ConfigMap", world.Field(r.Get(configMaps, "app-config"), "data", "word"))
}
