package clients

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// namespace is the one that fluxd is installed in.
const namespace = "flux-system"

// patience bounds a command. The machine may be busy with other things.
const patience = 2 * time.Minute

// files are contents by name, NS being the namespace of the test.
type files = map[string]string

// clients is the namespace of one test, with a Git repository.
type clients struct {
	*world.World
	repo *gittest.Repo
}

// newWorld returns a world whose repository holds files on the branch main. Its test
// runs in parallel with others.
func newWorld(t *testing.T, content files) clients {
	t.Helper()
	t.Parallel()
	return makeWorld(t, shared.Cluster, content)
}

// newFluxWorld is newWorld for a test that needs the flux command line.
func newFluxWorld(t *testing.T, content files) clients {
	t.Helper()
	needFlux(t)
	return newWorld(t, content)
}

// needFlux skips the test if there is no flux command line.
func needFlux(t *testing.T) {
	t.Helper()
	if noCLI != nil {
		t.Skip(noCLI)
	}
}

func makeWorld(t *testing.T, c *harness.Cluster, content files) clients {
	t.Helper()
	w := clients{World: world.New(t, c, "{}")}
	var err error
	if w.repo, err = gittest.NewRepo(t.Context(), gits.Root, w.Namespace); err != nil {
		t.Fatal(err)
	}
	if len(content) > 0 {
		w.commit(content)
	}
	return w
}

// commit commits files to main and returns the revision of that.
func (w clients) commit(content files) (revision string) {
	w.T.Helper()
	id, err := w.repo.Commit(w.T.Context(), "main", "change", w.expanded(content))
	if err != nil {
		w.T.Fatal(err)
	}
	return "main@sha1:" + id
}

func (w clients) expanded(content files) files {
	out := make(files, len(content))
	for name, text := range content {
		out[name] = w.Expand(text)
	}
	return out
}

// folder writes files to a folder of the test's own.
func (w clients) folder(content files) string {
	w.T.Helper()
	dir := w.T.TempDir()
	for _, name := range slices.Sorted(maps.Keys(content)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.T.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(w.Expand(content[name])), 0o644); err != nil {
			w.T.Fatal(err)
		}
	}
	return dir
}

// git creates a GitRepository of the branch main.
func (w clients) git(name string) {
	w.T.Helper()
	w.Create(w.Manifest(sourceVersion, "GitRepository", name, "url: "+gits.RepoURL(w.repo), "ref: {branch: main}"))
}

// kustomization creates a Kustomization of a GitRepository that prunes. Spec is more of
// it, as lines of YAML.
func (w clients) kustomization(name, source, path string, spec ...string) {
	w.T.Helper()
	w.Create(w.Manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, append(spec,
		"prune: true", "path: "+path, "sourceRef: {kind: GitRepository, name: "+source+"}")...))
}

const sourceVersion = "source.toolkit.fluxcd.io/v1"

// push pushes files as flux push artifact does and returns the revision under the tag.
func (w clients) push(tag string, content files) (revision string) {
	w.T.Helper()
	artifact, err := upstream.FluxArtifact(w.expanded(content), map[string]string{
		"org.opencontainers.image.revision": "main@sha1:" + strings.Repeat("a", 40),
		"org.opencontainers.image.source":   gits.RepoURL(w.repo),
	})
	if err != nil {
		w.T.Fatal(err)
	}
	digest, err := oci.Push(w.T.Context(), w.Namespace, tag, artifact)
	if err != nil {
		w.T.Fatal(err)
	}
	return tag + "@" + digest
}

// url is that of an OCI repository of the test's own.
func (w clients) url(more string) string { return "oci://" + oci.Host() + "/" + w.Namespace + more }

// bucket makes a bucket of the test's own with files, and the Secret "keys" for it.
func (w clients) bucket(content files) {
	w.T.Helper()
	if err := s3.MakeBucket(w.T.Context(), w.Namespace); err != nil {
		w.T.Fatal(err)
	}
	for name, text := range w.expanded(content) {
		if err := s3.Put(w.T.Context(), w.Namespace, name, []byte(text)); err != nil {
			w.T.Fatal(err)
		}
	}
	w.Secret("keys", map[string]string{"accesskey": user, "secretkey": password})
}

// statusOf is the status of an object but for the generation that it speaks of, which
// follows that of a suspended object.
func statusOf(obj *unstructured.Unstructured) map[string]any {
	status, _ := obj.DeepCopy().Object["status"].(map[string]any)
	delete(status, "observedGeneration")
	return status
}

// saysReady says whether the message of Ready has a part.
func saysReady(part string) world.Is {
	return func(obj *unstructured.Unstructured) bool {
		_, message := world.Condition(obj, "Ready")
		return strings.Contains(message, part)
	}
}

func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: NS}\ndata: {key: %q}\n", name, value)
}

// data says whether a ConfigMap holds a value.
func data(value string) world.Is { return harness.Field(value, "data", "key") }

// web is a chart with one template.
func web(version string) upstream.Chart {
	return upstream.Chart{Name: "web", Version: version, AppVersion: "of-" + version, Values: "text: hello\n", Files: files{
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  key: {{ .Values.text }}\n",
	}}
}

var (
	kustomizations = harness.Kustomized
	ready          = harness.Ready
)
