package sources

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// failing says whether an object is not ready for whatever reason.
func failing(obj *unstructured.Unstructured) bool {
	status, _, _ := harness.Condition(obj, "Ready")
	return status == "False"
}

// stays fails the test unless a source is not ready and yet holds what it held.
func (w sources) stays(obj *unstructured.Unstructured, revision string) {
	w.T.Helper()
	world.Equal(w.T, obj.GetKind()+": revision", revision, world.Revision(obj))
	if failed, _ := world.Condition(obj, "FetchFailed"); failed == "" {
		if failed, _ = world.Condition(obj, "StorageOperationFailed"); failed == "" {
			w.T.Errorf("%s: neither FetchFailed nor StorageOperationFailed: %v", obj.GetKind(), obj.Object["status"])
		}
	}
}

func TestOCILayerThatUnpacksToTooMuch(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	revision := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "1")})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"))
	w.apply("web", "OCIRepository", "web")
	w.Wait(harness.Kustomized, "web", applied(revision))
	w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "2"), "large.txt": strings.Repeat("a", 4*maxSource)})
	w.Request(api.OCIRepositoryGVR, "web")
	w.stays(w.Wait(api.OCIRepositoryGVR, "web", failing), revision)
	w.Wait(harness.ConfigMaps, "web", data("1"))
	second := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "3")})
	w.Request(api.OCIRepositoryGVR, "web")
	w.Wait(harness.Kustomized, "web", applied(second))
}

func TestBucketThatHoldsTooMuch(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, files{"config.yaml": configMap("web", "1")})
	w.bucket("apps", s)
	revision := world.Revision(w.Wait(api.BucketGVR, "apps", harness.Ready))
	w.put(s, files{"large.txt": strings.Repeat("a", 2*maxSource)})
	w.Request(api.BucketGVR, "apps")
	w.stays(w.Wait(api.BucketGVR, "apps", failing), revision)
	if err := s.Remove(t.Context(), w.Namespace, "large.txt"); err != nil {
		t.Fatal(err)
	}
	w.Request(api.BucketGVR, "apps")
	w.Wait(api.BucketGVR, "apps", at(revision))
}

func TestHelmIndexThatIsTooLong(t *testing.T) {
	w := newWorld(t)
	h := w.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
	w.source("HelmRepository", "charts", "url: "+h.URL)
	w.chart("web", "web", "HelmRepository", "charts")
	w.Wait(api.HelmChartGVR, "web", at("1.0.0"))
	revision := world.Revision(w.Get(api.HelmRepositoryGVR, "charts"))
	if err := h.PublishAmong(2*maxSource, web("2.0.0")); err != nil {
		t.Fatal(err)
	}
	w.Request(api.HelmRepositoryGVR, "charts")
	w.stays(w.Wait(api.HelmRepositoryGVR, "charts", failing), revision)
	w.Reconciled(api.HelmChartGVR, "web")
	w.Wait(api.HelmChartGVR, "web", at("1.0.0"))
}

// tampering changes a byte in the middle of the answers to what match picks.
func tampering(match func(path string) bool) func(http.Handler) http.Handler {
	return func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !match(r.URL.Path) {
				server.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, r)
			for name, values := range answer.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.Code)
			body := bytes.Clone(answer.Body.Bytes())
			if len(body) > 0 {
				body[len(body)/2] ^= 0xff
			}
			_, _ = w.Write(body) // or the client is gone
		})
	}
}

// breaking cuts the answers to what match picks in half.
func breaking(match func(path string) bool) func(http.Handler) http.Handler {
	return func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !match(r.URL.Path) {
				server.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, r)
			w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2]) // or the client is gone
			panic(http.ErrAbortHandler)
		})
	}
}

func TestServersThatLie(t *testing.T) {
	for name, fault := range map[string]func(func(string) bool) func(http.Handler) http.Handler{
		"tamper": tampering, "break": breaking,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.registry(upstream.RegistryOptions{})
			first := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "1")})
			w.source("OCIRepository", "web", ociURL(r, "apps/web"))
			h := w.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
			w.source("HelmRepository", "charts", "url: "+h.URL)
			w.chart("web", "web", "HelmRepository", "charts")
			w.Wait(api.OCIRepositoryGVR, "web", at(first))
			w.Wait(api.HelmChartGVR, "web", at("1.0.0"))

			r.Wrap(fault(func(path string) bool { return strings.Contains(path, "/blobs/") }))
			h.Wrap(fault(func(path string) bool { return strings.HasSuffix(path, ".tgz") }))
			second := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "2")})
			w.publish(h, web("2.0.0"))
			w.Request(api.OCIRepositoryGVR, "web")
			w.Request(api.HelmRepositoryGVR, "charts")
			w.stays(w.Wait(api.OCIRepositoryGVR, "web", failing), first)
			world.Equal(t, "revision of the chart", "1.0.0", world.Revision(w.Wait(api.HelmChartGVR, "web", failing)))
			r.Wrap(nil)
			h.Wrap(nil)
			w.Wait(api.OCIRepositoryGVR, "web", at(second)) // by itself
			w.Wait(api.HelmChartGVR, "web", at("2.0.0"))
		})
	}
}

// never answers; dripping answers a byte at a time, without end.
func never(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

func dripping(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				_, _ = w.Write([]byte("#")) // or the client is gone
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
}

func TestServersThatAreSlow(t *testing.T) {
	for name, slow := range map[string]func(http.Handler) http.Handler{"hang": never, "drip": dripping} {
		t.Run(name, func(t *testing.T) { newWorld(t).slow(slow) })
	}
}

// slow has servers be slow until the sources say so.
func (w sources) slow(slow func(http.Handler) http.Handler) {
	t := w.T
	r := w.registry(upstream.RegistryOptions{})
	s := w.s3(upstream.Security{})
	h := w.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
	w.keys()
	for _, d := range []*upstream.Door{r.Door, s.Door, h.Door} {
		d.Wrap(slow)
	}
	revision := w.push(r, "apps/web", "latest", files{"config.yaml": configMap("web", "1")})
	w.put(s, files{"config.yaml": configMap("web", "1")})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "timeout: 500ms")
	w.bucket("apps", s, "timeout: 500ms")
	w.source("HelmRepository", "charts", "url: "+h.URL, "timeout: 500ms")
	hung := map[string]schema.GroupVersionResource{"web": api.OCIRepositoryGVR, "apps": api.BucketGVR, "charts": api.HelmRepositoryGVR}
	for name, gvr := range hung {
		_, message := world.Condition(w.Wait(gvr, name, failing), "Ready")
		t.Logf("%s: %s", name, message)
	}
	for _, d := range []*upstream.Door{r.Door, s.Door, h.Door} {
		d.Wrap(nil)
	}
	w.Wait(api.OCIRepositoryGVR, "web", at(revision))
	for name, gvr := range hung {
		w.Wait(gvr, name, harness.Ready)
	}
}

// A certificate that was good once is none, whoever signed it.
func TestExpiredCertificates(t *testing.T) {
	w := newWorld(t)
	old := upstream.Security{TLS: true, Expired: true}
	r := w.registry(upstream.RegistryOptions{Security: old})
	s := w.s3(old)
	h := w.charts(upstream.HelmIndexOptions{Security: old}, web("1.0.0"))
	w.keys()
	all := map[string]struct {
		gvr       schema.GroupVersionResource
		authority *upstream.Authority
		spec      string
	}{
		"oci":    {api.OCIRepositoryGVR, r.Authority, ociURL(r, "apps/web") + "\ncertSecretRef: {name: oci}"},
		"bucket": {api.BucketGVR, s.Authority, "endpoint: " + s.Host() + "\nbucketName: NS\nsecretRef: {name: keys}\ncertSecretRef: {name: bucket}"},
		"charts": {api.HelmRepositoryGVR, h.Authority, "url: " + h.URL + "\ncertSecretRef: {name: charts}"},
		"git":    {api.GitRepositoryGVR, h.Authority, "url: " + h.URL + "/repo.git\nsecretRef: {name: git}"},
	}
	kind := map[string]string{"oci": "OCIRepository", "bucket": "Bucket", "charts": "HelmRepository", "git": "GitRepository"}
	for name, one := range all {
		w.Secret(name, map[string]string{"ca.crt": string(one.authority.PEM)})
		w.source(kind[name], name, one.spec)
	}
	for name, one := range all {
		obj := w.Wait(one.gvr, name, failing)
		_, message := world.Condition(obj, "Ready")
		world.Contains(t, "message of "+name, message, "expired")
		w.stays(obj, "")
	}
}
