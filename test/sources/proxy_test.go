package sources

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// proxy starts a proxy that asks who one is, and creates the Secret "proxy" for it.
func (w sources) proxy(hosts map[string]string) *upstream.Proxy {
	w.T.Helper()
	p, err := upstream.StartProxy(upstream.ProxyOptions{Username: user, Password: password, Hosts: hosts})
	if err != nil {
		w.T.Fatal(err)
	}
	w.closing(p)
	w.Secret("proxy", map[string]string{"address": p.URL, "username": user, "password": password})
	return p
}

func TestOCIThroughAProxy(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{Security: upstream.Security{TLS: true}, Username: user, Password: password, Tokens: true})
	revision := w.push(r, "private/web", "latest", files{"config.yaml": configMap("web", "1")})
	_, digest, _ := strings.Cut(revision, "@")
	if err := w.cosigner("ours").Sign(t.Context(), r, "private/web", digest); err != nil {
		t.Fatal(err)
	}
	p := w.proxy(nil)
	w.trust(r.Door)
	w.login("login", password, r.Host())
	w.source("OCIRepository", "web", ociURL(r, "private/web"), "secretRef: {name: login}", "certSecretRef: {name: trust}", "proxySecretRef: {name: proxy}",
		"verify: {provider: cosign, secretRef: {name: ours}}")
	w.Wait(api.OCIRepositoryGVR, "web", at(revision))
	if n := p.Count(func(q upstream.Request) bool { return q.Method == http.MethodConnect && q.Status == http.StatusOK }); n == 0 {
		t.Errorf("nothing went through the proxy: %v", p.Requests())
	}
}

func TestGitThroughAProxy(t *testing.T) {
	w := newWorld(t)
	server, repo := w.git()
	head, err := repo.Commit(t.Context(), "main", "first", files{"config.yaml": w.Expand(configMap("web", "1"))})
	if err != nil {
		t.Fatal(err)
	}
	p := w.proxy(map[string]string{"git.fluxd.test": strings.TrimPrefix(server.URL, "http://")})
	w.source("GitRepository", "apps", "url: http://git.fluxd.test/"+repo.Name, "ref: {branch: main}", "proxySecretRef: {name: proxy}")
	w.apply("web", "GitRepository", "apps")
	w.Wait(harness.Kustomized, "web", applied("main@sha1:"+head))
	if n := p.Count(func(q upstream.Request) bool { return strings.HasSuffix(q.Path, "/git-upload-pack") }); n != 1 {
		t.Errorf("%d fetches went through the proxy: %v", n, p.Requests())
	}
}

func TestBucketThroughAProxy(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, files{"config.yaml": configMap("web", "1")})
	p := w.proxy(map[string]string{"s3.fluxd.test": s.Host()})
	w.source("Bucket", "apps", "endpoint: s3.fluxd.test", "insecure: true", "bucketName: NS", "secretRef: {name: keys}", "proxySecretRef: {name: proxy}")
	w.Wait(api.BucketGVR, "apps", harness.Ready)
	if n := p.Count(func(q upstream.Request) bool { return strings.HasSuffix(q.Path, "/config.yaml") }); n != 1 {
		t.Errorf("%d downloads went through the proxy: %v", n, p.Requests())
	}
}

// The account is in the host, as with Azure itself, and the host is one that only
// the proxy can find.
func TestBucketOfAzureWithAnAccountKey(t *testing.T) {
	w := newWorld(t)
	a := w.azurite(upstream.Security{})
	if err := a.MakeContainer(t.Context(), "apps"); err != nil {
		t.Fatal(err)
	}
	if err := a.Put(t.Context(), "apps", "config.yaml", []byte(w.Expand(configMap("web", "1")))); err != nil {
		t.Fatal(err)
	}
	w.proxy(map[string]string{upstream.AzureHost: a.Host()})
	w.Secret("account", map[string]string{"accountKey": upstream.AzureKey})
	w.source("Bucket", "apps", "provider: azure", "endpoint: http://"+upstream.AzureHost, "bucketName: apps",
		"secretRef: {name: account}", "proxySecretRef: {name: proxy}")
	w.apply("web", "Bucket", "apps")
	w.Wait(harness.ConfigMaps, "web", data("1"))
}

func TestProxyThatRefuses(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	revision := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "1")})
	p := w.proxy(nil)
	w.Secret("stranger", map[string]string{"address": p.URL, "username": user, "password": "not-" + password})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "proxySecretRef: {name: stranger}")
	obj := w.Wait(api.OCIRepositoryGVR, "web", harness.Failed("OCIArtifactPullFailed"))
	if _, message := world.Condition(obj, "Ready"); strings.Contains(message, password) {
		t.Errorf("the message tells the password: %s", message)
	}
	if n := len(r.Requests()); n > 0 {
		t.Errorf("%d requests went past the proxy", n)
	}
	w.Patch(api.OCIRepositoryGVR, "web", map[string]any{"spec": map[string]any{"proxySecretRef": map[string]any{"name": "proxy"}}})
	w.Wait(api.OCIRepositoryGVR, "web", at(revision))
}
