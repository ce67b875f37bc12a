package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// manifestBlock is a block of YAML in a page that holds whole objects.
var manifestBlock = regexp.MustCompile("(?ms)^```yaml\n(apiVersion: .*?)^```$")

// kustomizeFile is the kind of a block that is a file for kustomize, which no API
// server knows.
const kustomizeFile = "apiVersion: kustomize.config.k8s.io/"

// What people copy from the documentation is accepted by the API server as it stands
// there, and each kind has an example.
func TestDocumentedManifestsAreValid(t *testing.T) {
	w := newWorld(t, nil)
	validate := func(where, manifests string) (kinds []string) {
		objects, err := w.Validate(t.Context(), strings.ReplaceAll(manifests, "namespace: apps", "namespace: "+w.namespace))
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		for _, obj := range objects {
			kinds = append(kinds, obj.GetKind())
		}
		return kinds
	}
	shown := make(map[string]bool)
	for path, text := range documents(t, "docs/examples/*.yaml") {
		for _, kind := range validate(path, text) {
			shown[kind] = true
		}
	}
	for _, r := range api.Resources() {
		if !shown[r.Kind.Kind] {
			t.Errorf("docs/examples has no %s", r.Kind.Kind)
		}
	}
	for path, text := range documents(t, "docs/*.md") {
		for _, block := range manifestBlock.FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(block[1], kustomizeFile) {
				validate(path, block[1])
			}
		}
	}
	_, err := w.Validate(t.Context(), w.manifest("source.toolkit.fluxcd.io/v1", "GitRepository", "wrong", "url: https://git.example.com/x\ninterval: 1m\nbranch: main"))
	if err == nil || !strings.Contains(err.Error(), `unknown field "spec.branch"`) {
		t.Errorf("an unknown field: %v, want an error: nothing else here would mean anything", err)
	}
}

// documents returns the files of the source tree that match a pattern, by path.
func documents(t *testing.T, pattern string) map[string]string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files: %v", pattern, len(paths), err)
	}
	found := make(map[string]string)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(path, root+string(filepath.Separator))] = string(data)
	}
	return found
}
