package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/program"
	"github.com/fluxd/fluxd/test/upstream"
)

// sources is a world with servers to read from.
type sources struct {
	*world.World
}

// newWorld returns a world that the shared daemon looks after, in parallel with
// other tests.
func newWorld(t *testing.T) sources {
	t.Helper()
	t.Parallel()
	return sources{world.New(t, cluster, "{}")}
}

const (
	user = "somebody"
	// password looks like nothing else that is printed.
	password = "pa55-w0rd-0f-the-te5t"
)

func (w sources) closing(c io.Closer) {
	w.T.Cleanup(func() {
		if err := c.Close(); err != nil {
			w.T.Error(err)
		}
	})
}

// registry starts an OCI registry.
func (w sources) registry(o upstream.RegistryOptions) *upstream.Registry {
	w.T.Helper()
	r, err := upstream.StartRegistry(w.T.Context(), o)
	if err != nil {
		w.T.Fatal(err)
	}
	w.closing(r)
	return r
}

// s3 starts an S3 server that has a bucket called after the namespace.
func (w sources) s3(s upstream.Security) *upstream.S3 {
	w.T.Helper()
	server, err := upstream.StartS3(w.T.Context(), upstream.S3Options{Security: s, AccessKey: user, SecretKey: password})
	if err != nil {
		w.T.Fatal(err)
	}
	w.closing(server)
	if err := server.MakeBucket(w.T.Context(), w.Namespace); err != nil {
		w.T.Fatal(err)
	}
	return server
}

// charts starts an index of Helm charts.
func (w sources) charts(o upstream.HelmIndexOptions, charts ...upstream.Chart) *upstream.HelmIndex {
	w.T.Helper()
	h, err := upstream.StartHelmIndex(o)
	if err != nil {
		w.T.Fatal(err)
	}
	w.closing(h)
	w.publish(h, charts...)
	return h
}

func (w sources) publish(h *upstream.HelmIndex, charts ...upstream.Chart) {
	w.T.Helper()
	if err := h.Publish(charts...); err != nil {
		w.T.Fatal(err)
	}
}

// azurite starts Azure's emulator, or skips the test where that cannot run.
func (w sources) azurite(s upstream.Security) *upstream.Azurite {
	w.T.Helper()
	a, err := upstream.StartAzurite(w.T.Context(), s)
	if errors.Is(err, upstream.ErrUnavailable) {
		w.T.Skip(err)
	}
	if err != nil {
		w.T.Fatal(err)
	}
	w.closing(a)
	return a
}

// git starts a Git server with an empty repository.
func (w sources) git() (*gittest.Server, *gittest.Repo) {
	w.T.Helper()
	root := w.T.TempDir()
	server, err := gittest.Serve(root)
	if err != nil {
		w.T.Fatal(err)
	}
	w.closing(server)
	repo, err := gittest.NewRepo(w.T.Context(), root, "repo")
	if err != nil {
		w.T.Fatal(err)
	}
	return server, repo
}

// files are contents by name, NS being the namespace.
type files = map[string]string

func (w sources) expanded(content files) files {
	out := make(files, len(content))
	for name, text := range content {
		out[name] = w.Expand(text)
	}
	return out
}

// push pushes files as flux push artifact does and returns the revision under the
// tag.
func (w sources) push(r *upstream.Registry, repository, tag string, content files) (revision string) {
	w.T.Helper()
	artifact, err := upstream.FluxArtifact(w.expanded(content), map[string]string{
		"org.opencontainers.image.revision": "main@sha1:" + tag,
	})
	if err != nil {
		w.T.Fatal(err)
	}
	digest, err := r.Push(w.T.Context(), repository, tag, artifact)
	if err != nil {
		w.T.Fatal(err)
	}
	return tag + "@" + digest
}

// pushChart pushes a chart as helm push does and returns the digest of its manifest.
func (w sources) pushChart(r *upstream.Registry, repository string, c upstream.Chart) (digest string) {
	w.T.Helper()
	artifact, tag, err := c.Artifact()
	if err == nil {
		digest, err = r.Push(w.T.Context(), repository+"/"+c.Name, tag, artifact)
	}
	if err != nil {
		w.T.Fatal(err)
	}
	return digest
}

// put stores files in the bucket of the namespace.
func (w sources) put(s *upstream.S3, content files) {
	w.T.Helper()
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if err := s.Put(w.T.Context(), w.Namespace, name, []byte(w.Expand(content[name]))); err != nil {
			w.T.Fatal(err)
		}
	}
}

// source creates a source object, its spec being lines of YAML.
func (w sources) source(kind, name string, spec ...string) {
	w.T.Helper()
	w.Create(w.Manifest("source.toolkit.fluxcd.io/v1", kind, name, spec...))
}

// bucket creates a Bucket of the namespace's bucket.
func (w sources) bucket(name string, s *upstream.S3, spec ...string) {
	w.T.Helper()
	text := []string{"endpoint: " + s.Host(), "bucketName: NS", "secretRef: {name: keys}"}
	if s.Authority == nil {
		text = append(text, "insecure: true")
	}
	w.source("Bucket", name, append(text, spec...)...)
}

// apply creates a Kustomization of the root of a source.
func (w sources) apply(name, kind, source string) {
	w.T.Helper()
	w.Create(w.Manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name,
		"prune: true", "path: ./", fmt.Sprintf("sourceRef: {kind: %s, name: %s}", kind, source)))
}

// keys creates the Secret with the credentials of the S3 server.
func (w sources) keys() {
	w.T.Helper()
	w.Secret("keys", map[string]string{"accesskey": user, "secretkey": password})
}

// trust creates the Secret "trust" with the authority of a door.
func (w sources) trust(d *upstream.Door) {
	w.T.Helper()
	w.Secret("trust", map[string]string{"ca.crt": string(d.Authority.PEM)})
}

// login creates a Secret with credentials for registries.
func (w sources) login(name, password string, hosts ...string) {
	w.T.Helper()
	var auths []string
	for _, host := range hosts {
		auths = append(auths, fmt.Sprintf(`%q:{"username":%q,"password":%q}`, host, user, password))
	}
	w.SecretOf("kubernetes.io/dockerconfigjson", name, map[string]string{".dockerconfigjson": `{"auths":{` + strings.Join(auths, ",") + `}}`})
}

// at says whether a source is ready at a revision.
func at(revision string) world.Is {
	return func(obj *unstructured.Unstructured) bool {
		return harness.Ready(obj) && world.Revision(obj) == revision
	}
}

// applied says whether a Kustomization has applied a revision.
func applied(revision string) world.Is {
	return world.All(harness.Ready, harness.Field(revision, "status", "lastAppliedRevision"))
}

// data says whether a ConfigMap holds a value.
func data(value string) world.Is { return harness.Field(value, "data", "key") }

func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: NS}\ndata: {key: %q}\n", name, value)
}

// web is a chart with one template.
func web(version string) upstream.Chart {
	return upstream.Chart{Name: "web", Version: version, Values: "text: hello\n", Files: files{
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  key: {{ .Values.text }}\n",
	}}
}

// stored fails the test unless a ready source says what one with an artifact has
// to say.
func (w sources) stored(obj *unstructured.Unstructured, message string) {
	w.T.Helper()
	ready, text := world.Condition(obj, "Ready")
	world.Equal(w.T, obj.GetKind()+": Ready", "True/Succeeded", ready)
	world.Equal(w.T, obj.GetKind()+": message", message, text)
	w.held(obj)
}

// held fails the test unless a source has an artifact in order and no condition
// that it should not have.
func (w sources) held(obj *unstructured.Unstructured) {
	w.T.Helper()
	stored, _ := world.Condition(obj, "ArtifactInStorage")
	if !strings.HasPrefix(stored, "True/") {
		w.T.Errorf("%s: ArtifactInStorage is %q", obj.GetKind(), stored)
	}
	for _, kind := range []string{api.ConditionReconciling, api.ConditionStalled, "FetchFailed", "StorageOperationFailed", "ArtifactOutdated"} {
		if got, message := world.Condition(obj, kind); got != "" {
			w.T.Errorf("%s: condition %s is %s: %s", obj.GetKind(), kind, got, message)
		}
	}
	prefix := fmt.Sprintf("%s/%s/%s/", strings.ToLower(obj.GetKind()), w.Namespace, obj.GetName())
	if path := world.Field(obj, "status", "artifact", "path"); !strings.HasPrefix(path, prefix) {
		w.T.Errorf("%s: path %q of the artifact is not below %s", obj.GetKind(), path, prefix)
	}
	if url := world.Field(obj, "status", "artifact", "url"); !strings.Contains(url, "://") || !strings.Contains(url, prefix) {
		w.T.Errorf("%s: url %q of the artifact", obj.GetKind(), url)
	}
	if digest := world.Field(obj, "status", "artifact", "digest"); !strings.HasPrefix(digest, "sha256:") {
		w.T.Errorf("%s: digest %q of the artifact", obj.GetKind(), digest)
	}
}

// quiet waits for checks more requests at a door, after which nothing may have been
// written about the namespace, and returns the requests.
func (w sources) quiet(d *upstream.Door, checks int) []upstream.Request {
	w.T.Helper()
	asked := func(n int) func() bool { return func() bool { return len(d.Requests()) >= n } }
	d.Forget()
	w.until("two requests", asked(2)) // what was written before is in the audit log
	mark := w.Mark()
	d.Forget()
	w.until(fmt.Sprintf("%d requests", checks), asked(checks))
	seen := d.Requests()
	if writes := w.Writes(mark); len(writes) > 0 {
		w.T.Errorf("with nothing new there were writes: %q", writes)
	}
	return seen
}

// until waits for something that no watch tells of.
func (w sources) until(what string, is func() bool) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), world.Patience)
	defer cancel()
	if err := program.Poll(ctx, func(context.Context) error {
		if is() {
			return nil
		}
		return errors.New("it is not so")
	}); err != nil {
		w.T.Fatalf("wait for %s: %v", what, err)
	}
}
