package tenants

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/explain"
	"github.com/fluxd/fluxd/pkg/preview"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// What is fetched is kept and shared among those who may fetch it. Nobody else gets it,
// although the daemon has it: the same URL without a password, with another, by digest.
func TestSharedFetches(t *testing.T) {
	owner, w := admin(t, victim), attacker(t)
	registry, err := upstream.StartRegistry(t.Context(), upstream.RegistryOptions{Username: victim, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, registry)
	image, err := upstream.FluxArtifact(files{"crown.yaml": configMap(victim, "crown", canary)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := registry.Push(t.Context(), "apps/private", "latest", image)
	if err != nil {
		t.Fatal(err)
	}
	charts, err := upstream.StartHelmIndex(upstream.HelmIndexOptions{Username: victim, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, charts)
	if err := charts.Publish(upstream.Chart{Name: "private", Version: "1.0.0", Values: "word: " + canary + "\n"}); err != nil {
		t.Fatal(err)
	}
	store, err := upstream.StartS3(t.Context(), upstream.S3Options{AccessKey: victim, SecretKey: password})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, store)
	if err := store.MakeBucket(t.Context(), "private"); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "private", "crown.yaml", []byte(configMap(victim, "crown", canary))); err != nil {
		t.Fatal(err)
	}

	pull := func(password string) map[string]string {
		return map[string]string{".dockerconfigjson": fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, registry.Host(), victim, password)}
	}
	for who, word := range map[*world.World]string{owner: password, w: "wrong"} {
		who.SecretOf("kubernetes.io/dockerconfigjson", "pull", pull(word))
		who.Secret("charts", map[string]string{"username": victim, "password": word})
		who.Secret("store", map[string]string{"accesskey": victim, "secretkey": word})
	}
	source := func(who *world.World, kind, name string, spec ...string) {
		who.Create(who.Manifest("source.toolkit.fluxcd.io/v1", kind, name, spec...))
	}
	at := map[string]string{
		ociRepository:  "url: oci://" + registry.Host() + "/apps/private\ninsecure: true",
		helmRepository: "url: " + charts.URL,
		bucketKind:     "endpoint: " + store.Host() + "\ninsecure: true\nbucketName: private",
	}
	with := map[string]string{ociRepository: "secretRef: {name: pull}", helmRepository: "secretRef: {name: charts}", bucketKind: "secretRef: {name: store}"}
	const chart = "chart: private\nversion: 1.0.0\nsourceRef: {kind: HelmRepository, name: "
	for kind, spec := range at {
		source(owner, kind, "shared", spec, with[kind])
		owner.Wait(resourceOf(kind), "shared", harness.Ready)
	}
	source(owner, helmChart, "shared", chart+"shared}")
	owner.Wait(api.HelmChartGVR, "shared", harness.Ready)

	fails := func(kind, name string) {
		t.Helper()
		obj := w.Wait(resourceOf(kind), name, func(obj *unstructured.Unstructured) bool {
			short, _ := world.Condition(obj, api.ConditionReady)
			return strings.HasPrefix(short, "False/")
		})
		if artifact := world.Field(obj, "status", "artifact", "digest"); artifact != "" {
			t.Errorf("%s %s got the artifact %s", kind, name, artifact)
		}
		if _, message := world.Condition(obj, api.ConditionReady); strings.Contains(message, password) || message == "" {
			t.Errorf("%s %s says %q", kind, name, message)
		}
	}
	for kind, spec := range at {
		source(w, kind, "shared-nobody", spec)
		source(w, kind, "shared-wrong", spec, with[kind])
		fails(kind, "shared-nobody")
		fails(kind, "shared-wrong")
	}
	source(w, ociRepository, "shared-digest", at[ociRepository], "ref: {digest: '"+digest+"'}")
	fails(ociRepository, "shared-digest")
	source(w, helmChart, "shared-wrong", chart+"shared-wrong}")
	fails(helmChart, "shared-wrong")
}

func closing(t *testing.T, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The doors tell a tenant of what it may get itself.
func TestDoors(t *testing.T) {
	w := attacker(t)
	token, err := shared.Cluster.Kubectl(t.Context(), "-n", mallory, "create", "token", "tenant")
	if err != nil {
		t.Fatal(err)
	}
	w.Create(attack{kind: kustomization, spec: "path: ./app\nsourceRef: {kind: GitRepository, name: private, namespace: victim}\ndependsOn: [{name: app, namespace: victim}]"}.manifest("visitor"))
	w.Wait(harness.Kustomized, "visitor", attack{ready: stalled, says: []string{blocked}}.ended)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		explain.URLPath + "kustomization/victim/app":      {http.StatusForbidden, `may not get kustomizations.kustomize.toolkit.fluxcd.io "app"`},
		explain.URLPath + "helmrelease/victim/web":        {http.StatusForbidden, `may not get helmreleases.helm.toolkit.fluxcd.io "web"`},
		explain.URLPath + "kustomization/victim/nothing":  {http.StatusForbidden, "may not get"},
		preview.Path + "victim/app":                       {http.StatusForbidden, "may not get"},
		explain.URLPath + "kustomization/mallory/visitor": {http.StatusOK, "you may not"},
		preview.Path + "mallory/visitor":                  {http.StatusOK, blocked},
	} {
		status, text := call(t, path, strings.TrimSpace(token))
		if status != want.status || !strings.Contains(text, want.says) {
			t.Errorf("%s: %d %s, want %d %s", path, status, text, want.status, want.says)
		}
		if strings.Contains(text, canary) || strings.Contains(text, guarded.URL) {
			t.Errorf("%s tells what only the victim may see: %s", path, text)
		}
		if status, _ := call(t, path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, status)
		}
	}
	text, err := shared.Daemon.Metrics()
	if err != nil || strings.Contains(text, canary) || strings.Contains(text, password) {
		t.Errorf("the metrics have a secret, or there are none: %v", err)
	}
}

// call sends a request to the API of the daemon.
func call(t *testing.T, path, token string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, door+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}
