package sources

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

func TestBucket(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{TLS: true})
	w.keys()
	w.trust(s.Door)
	w.put(s, files{"web/config.yaml": configMap("web", "1"), "web/other.yaml": configMap("other", "1"), "readme.txt": "hello"})
	w.bucket("apps", s, "certSecretRef: {name: trust}", "ignore: |\n  *.txt")
	w.apply("web", "Bucket", "apps")
	obj := w.Wait(api.BucketGVR, "apps", harness.Ready)
	first := world.Revision(obj)
	w.stored(obj, fmt.Sprintf("stored artifact: revision '%s'", first))
	if !strings.HasPrefix(first, "sha256:") {
		t.Errorf("revision %q", first)
	}
	world.Equal(t, "path", "bucket/"+w.Namespace+"/apps/"+strings.TrimPrefix(first, "sha256:")+".tar.gz", world.Field(obj, "status", "artifact", "path"))
	w.Wait(harness.Kustomized, "web", applied(first))
	w.Wait(harness.ConfigMaps, "web", data("1"))

	w.put(s, files{"web/config.yaml": configMap("web", "2")})
	if err := s.Remove(t.Context(), w.Namespace, "web/other.yaml"); err != nil {
		t.Fatal(err)
	}
	s.Forget()
	w.Request(api.BucketGVR, "apps")
	w.Wait(harness.ConfigMaps, "web", data("2"))
	w.Wait(harness.ConfigMaps, "other", harness.Gone)
	for _, q := range s.Requests() {
		if strings.HasSuffix(q.Path, ".txt") {
			t.Errorf("what is ignored was fetched: %v", q)
		}
	}
}

func TestBucketPrefix(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, files{"web/config.yaml": configMap("web", "1"), "api/config.yaml": configMap("api", "1")})
	w.bucket("apps", s, "prefix: web/")
	w.apply("web", "Bucket", "apps")
	w.Wait(harness.Kustomized, "web", harness.Ready)
	w.Wait(harness.ConfigMaps, "web", data("1"))
	if w.Get(harness.ConfigMaps, "api") != nil {
		t.Error("an object without the prefix was applied")
	}
}

func TestBucketWithNothingNew(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, files{"web/config.yaml": configMap("web", "1")})
	w.bucket("apps", s, "interval: 500ms")
	w.Wait(api.BucketGVR, "apps", harness.Ready)
	for _, q := range w.quiet(s.Door, 10) {
		if strings.HasSuffix(q.Path, "config.yaml") {
			t.Errorf("a check asked for %v", q)
		}
		t.Log(q)
	}
}

func TestBucketsThatAreEqual(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, files{"a.yaml": configMap("a", "1"), "b.yaml": configMap("b", "1"), "c.yaml": configMap("c", "1")})
	const many = 40
	var manifests strings.Builder
	for i := range many {
		manifests.WriteString(w.Manifest("source.toolkit.fluxcd.io/v1", "Bucket", fmt.Sprintf("apps-%d", i),
			"endpoint: "+s.Host(), "insecure: true", "bucketName: NS", "secretRef: {name: keys}"))
	}
	w.Create(manifests.String())
	revision := world.Revision(w.Wait(api.BucketGVR, "apps-0", harness.Ready))
	for i := range many {
		w.Wait(api.BucketGVR, fmt.Sprintf("apps-%d", i), at(revision))
	}
	if n := s.Count(func(q upstream.Request) bool { return strings.HasSuffix(q.Path, ".yaml") }); n != 3 {
		t.Errorf("%d equal Buckets fetched %d objects, want 3", many, n)
	}
}

func TestBucketWrongKey(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.put(s, files{"web/config.yaml": configMap("web", "1")})
	w.Secret("keys", map[string]string{"accesskey": user, "secretkey": "not-" + password})
	w.bucket("apps", s)
	obj := w.Wait(api.BucketGVR, "apps", harness.Failed("BucketOperationFailed"))
	if _, message := world.Condition(obj, "Ready"); strings.Contains(message, password) {
		t.Errorf("the message tells the key: %s", message)
	}
	w.Patch(world.Secrets, "keys", map[string]any{"stringData": map[string]any{"secretkey": password}})
	w.Wait(api.BucketGVR, "apps", harness.Ready)
}

func TestBucketThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, files{"web/config.yaml": configMap("web", "1")})
	w.bucket("apps", s)
	ready := w.Wait(api.BucketGVR, "apps", harness.Ready)
	w.Patch(api.BucketGVR, "apps", map[string]any{"spec": map[string]any{"bucketName": "no-such-bucket"}})
	obj := w.Wait(api.BucketGVR, "apps", harness.Failed("BucketOperationFailed"))
	_, message := world.Condition(obj, "Ready")
	world.Contains(t, "message", message, "no-such-bucket", "not found")
	world.Equal(t, "revision", world.Revision(ready), world.Revision(obj))
}

func TestBucketOfAzure(t *testing.T) {
	w := newWorld(t)
	a := w.azurite(upstream.Security{})
	if err := a.MakeContainer(t.Context(), "apps"); err != nil {
		t.Fatal(err)
	}
	put := func(name, content string) {
		t.Helper()
		if err := a.Put(t.Context(), "apps", name, []byte(w.Expand(content))); err != nil {
			t.Fatal(err)
		}
	}
	put("web/config.yaml", configMap("web", "1"))
	w.Secret("sas", map[string]string{"sasKey": a.SAS("rl")})
	w.source("Bucket", "apps", "provider: azure", "endpoint: "+a.Endpoint(), "bucketName: apps", "secretRef: {name: sas}", "interval: 1s")
	w.apply("web", "Bucket", "apps")
	w.Wait(harness.ConfigMaps, "web", data("1"))
	for _, q := range w.quiet(a.Door, 4) {
		if q.Method == http.MethodGet && strings.HasSuffix(q.Path, "config.yaml") {
			t.Errorf("a check asked for %v", q)
		}
	}
	put("web/config.yaml", configMap("web", "2"))
	w.Wait(harness.ConfigMaps, "web", data("2"))
}
