package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// fileBlock is a block of a page that shows a file of the repository: its first line
// is a comment with the path.
var fileBlock = regexp.MustCompile("(?ms)^```yaml\n# (\\S+)\n(.*?)^```$")

// Who follows the page for newcomers word by word gets what it says.
func TestGettingStarted(t *testing.T) {
	page := documents(t, "docs/getting-started.md")["docs/getting-started.md"]
	page = strings.ReplaceAll(page, "namespace: apps", "namespace: NS")
	content := make(files)
	for _, block := range fileBlock.FindAllStringSubmatch(page, -1) {
		content[block[1]] = block[2]
	}
	w := newWorld(t, content)
	for _, block := range manifestBlock.FindAllStringSubmatch(page, -1) {
		w.create(strings.ReplaceAll(block[1], "https://git.example.com/you/fleet.git", gits.RepoURL(w.repo)))
	}
	w.ready("web")
	w.wait(api.HelmReleaseGVR, "hello", harness.Ready)
	equal(t, "what the release holds", "hello", field(w.get(harness.ConfigMaps, "hello"), "data", "word"))

	w.kubectl("scale", "deployment", "web", "--replicas=3")
	w.kubectl("wait", "--for=jsonpath={.spec.replicas}=1", "--timeout=30s", "deployment/web")

	const manifest = "deploy/web/web.yaml"
	w.commit(files{manifest: strings.Replace(content[manifest], "greeting: hello", "greeting: good morning", 1)})
	w.request(harness.Sources, "fleet")
	w.wait(harness.ConfigMaps, "web", data("greeting", "good morning"))
	deployment, _, _ := strings.Cut(content[manifest], "---\n")
	w.commit(files{manifest: deployment})
	w.request(harness.Sources, "fleet")
	w.wait(harness.ConfigMaps, "web", harness.Gone)
	w.ready("web")

	w.patch(api.HelmReleaseGVR, "hello", spec(map[string]any{"values": map[string]any{"word": "bye"}}))
	w.wait(harness.ConfigMaps, "hello", data("word", "bye"))
}
