package sources

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// ociURL is the url of a repository, with insecure set if the registry needs it.
func ociURL(r *upstream.Registry, repository string) string {
	text := "url: oci://" + r.Host() + "/" + repository
	if r.Authority == nil {
		text += "\ninsecure: true"
	}
	return text
}

func TestOCIRepository(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	first := w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "1"), "other.yaml": configMap("other", "1")})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "ref: {tag: 1.0.0}")
	w.apply("web", "OCIRepository", "web")
	w.Wait(harness.Kustomized, "web", applied(first))
	w.Wait(harness.ConfigMaps, "web", data("1"))
	obj := w.Get(api.OCIRepositoryGVR, "web")
	w.stored(obj, fmt.Sprintf("stored artifact for digest '%s'", first))
	_, digest, _ := strings.Cut(first, "@")
	world.Equal(t, "path", "ocirepository/"+w.Namespace+"/web/"+digest+".tar.gz", world.Field(obj, "status", "artifact", "path"))
	world.Equal(t, "origin", "main@sha1:1.0.0", world.Field(obj, "status", "artifact", "metadata", "org.opencontainers.image.revision"))
	world.Equal(t, "finalizers", 0, len(obj.GetFinalizers()))

	second := w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "2")})
	w.Request(api.OCIRepositoryGVR, "web")
	w.Wait(harness.Kustomized, "web", applied(second))
	w.Wait(harness.ConfigMaps, "web", data("2"))
	w.Wait(harness.ConfigMaps, "other", harness.Gone)
	w.Delete(api.OCIRepositoryGVR, "web")
	w.Wait(api.OCIRepositoryGVR, "web", harness.Gone)
	w.Wait(harness.ConfigMaps, "web", data("2")) // a source that goes prunes nothing
}

func TestOCISemver(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "1.0.0")})
	w.push(r, "apps/web", "2.0.0", files{"config.yaml": configMap("web", "2.0.0")})
	first := w.push(r, "apps/web", "1.1.0", files{"config.yaml": configMap("web", "1.1.0")})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), `ref: {semver: "1.x"}`)
	w.Wait(api.OCIRepositoryGVR, "web", at(first))
	second := w.push(r, "apps/web", "1.2.0", files{"config.yaml": configMap("web", "1.2.0")})
	w.Request(api.OCIRepositoryGVR, "web")
	w.Wait(api.OCIRepositoryGVR, "web", at(second))
}

func TestOCISecurity(t *testing.T) {
	content := files{"config.yaml": configMap("web", "1")}
	for name, options := range map[string]upstream.RegistryOptions{
		"password":          {Username: user, Password: password},
		"password-over-tls": {Security: upstream.Security{TLS: true}, Username: user, Password: password},
		"tokens":            {Security: upstream.Security{TLS: true}, Username: user, Password: password, Tokens: true},
		"certificates":      {Security: upstream.Security{ClientCertificates: true}, Username: user, Password: password},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.registry(options)
			revision := w.push(r, "private/web", "latest", content)
			w.login("login", password, r.Host())
			spec := []string{ociURL(r, "private/web"), "secretRef: {name: login}"}
			if r.Authority != nil {
				w.Secret("trust", w.certificates(r, options.ClientCertificates))
				spec = append(spec, "certSecretRef: {name: trust}")
			}
			w.source("OCIRepository", "web", spec...)
			w.Wait(api.OCIRepositoryGVR, "web", at(revision))
		})
	}
}

// certificates are for a Secret that certSecretRef names.
func (w sources) certificates(r *upstream.Registry, client bool) map[string]string {
	w.T.Helper()
	content := map[string]string{"ca.crt": string(r.Authority.PEM)}
	if client {
		cert, key, err := r.Authority.Client("fluxd")
		if err != nil {
			w.T.Fatal(err)
		}
		content["tls.crt"], content["tls.key"] = string(cert), string(key)
	}
	return content
}

func TestOCIPullSecretOfAServiceAccount(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{Username: user, Password: password})
	revision := w.push(r, "private/web", "latest", files{"config.yaml": configMap("web", "1")})
	w.login("login", password, r.Host())
	w.Create("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: puller, namespace: NS}\nimagePullSecrets: [{name: login}]\n")
	w.source("OCIRepository", "web", ociURL(r, "private/web"), "serviceAccountName: puller")
	w.Wait(api.OCIRepositoryGVR, "web", at(revision))
}

func TestOCIWrongPassword(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{Security: upstream.Security{TLS: true}, Username: user, Password: password, Tokens: true})
	revision := w.push(r, "private/web", "latest", files{"config.yaml": configMap("web", "1")})
	w.trust(r.Door)
	w.login("login", "not-"+password, r.Host())
	w.source("OCIRepository", "web", ociURL(r, "private/web"), "secretRef: {name: login}", "certSecretRef: {name: trust}")
	obj := w.Wait(api.OCIRepositoryGVR, "web", harness.Failed("OCIArtifactPullFailed"))
	failed, message := world.Condition(obj, "FetchFailed")
	world.Equal(t, "FetchFailed", "True/OCIArtifactPullFailed", failed)
	if strings.Contains(message, password) {
		t.Errorf("the message tells the password: %s", message)
	}
	world.Equal(t, "revision", "", world.Revision(obj))
	// A Secret that changes is tried at once, whatever the backoff.
	w.Kubectl("delete", "secret", "login")
	w.login("login", password, r.Host())
	w.stored(w.Wait(api.OCIRepositoryGVR, "web", at(revision)), fmt.Sprintf("stored artifact for digest '%s'", revision))
}

func TestOCIMissingTag(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	old := w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "1")})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "ref: {tag: 2.0.0}")
	w.apply("web", "OCIRepository", "web")
	obj := w.Wait(api.OCIRepositoryGVR, "web", harness.Failed("OCIArtifactPullFailed"))
	_, message := world.Condition(obj, "Ready")
	world.Contains(t, "message", message, "2.0.0")
	w.Wait(harness.Kustomized, "web", harness.Failed("ArtifactFailed"))
	w.Patch(api.OCIRepositoryGVR, "web", map[string]any{"spec": map[string]any{"ref": map[string]any{"tag": "1.0.0"}}})
	w.Wait(harness.Kustomized, "web", applied(old))
	// A tag that goes missing later takes nothing away.
	w.Patch(api.OCIRepositoryGVR, "web", map[string]any{"spec": map[string]any{"ref": map[string]any{"tag": "3.0.0"}}})
	obj = w.Wait(api.OCIRepositoryGVR, "web", harness.Failed("OCIArtifactPullFailed"))
	world.Equal(t, "revision", old, world.Revision(obj))
	w.Reconciled(harness.Kustomized, "web")
	w.Wait(harness.Kustomized, "web", applied(old))
}

func TestOCIWithNothingNew(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	revision := w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "1")})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "ref: {tag: 1.0.0}", "interval: 500ms")
	w.Wait(api.OCIRepositoryGVR, "web", at(revision))
	for _, q := range w.quiet(r.Door, 5) {
		if q.Method != http.MethodHead || q.Path != "/v2/apps/web/manifests/1.0.0" || q.Status != http.StatusOK {
			t.Errorf("a check asked for %v", q)
		}
	}
	world.Equal(t, "revision", revision, world.Revision(w.Get(api.OCIRepositoryGVR, "web")))
}

func TestOCIOneArtifactForMany(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	revision := w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "1")})
	const many = 100
	var manifests strings.Builder
	for i := range many {
		manifests.WriteString(w.Manifest("source.toolkit.fluxcd.io/v1", "OCIRepository", fmt.Sprintf("web-%d", i), ociURL(r, "apps/web"), "ref: {tag: 1.0.0}"))
	}
	w.Create(manifests.String())
	for i := range many {
		w.Wait(api.OCIRepositoryGVR, fmt.Sprintf("web-%d", i), at(revision))
	}
	pulls := r.Count(func(q upstream.Request) bool {
		return q.Method == http.MethodGet && strings.Contains(q.Path, "/blobs/") && q.Status == http.StatusOK
	})
	if pulls != 1 {
		t.Errorf("%d sources of one artifact pulled %d blobs, want 1", many, pulls)
	}
}

func TestOCIHelmChartLayer(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	w.pushChart(r, "charts", web("1.2.3"))
	w.source("OCIRepository", "web", ociURL(r, "charts/web"), `ref: {semver: ">=1.0.0"}`,
		"layerSelector: {mediaType: "+upstream.MediaHelmLayer+", operation: copy}")
	obj := w.Wait(api.OCIRepositoryGVR, "web", harness.Ready)
	packed, err := web("1.2.3").Package()
	if err != nil {
		t.Fatal(err)
	}
	size, _, _ := unstructured.NestedInt64(obj.Object, "status", "artifact", "size")
	world.Equal(t, "size", int64(len(packed)), size)
	if !strings.HasPrefix(world.Revision(obj), "1.2.3@sha256:") {
		t.Errorf("revision %q", world.Revision(obj))
	}
}
