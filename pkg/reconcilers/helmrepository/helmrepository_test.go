package helmrepository_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/reconcilers/helmrepository"
	"github.com/fluxd/fluxd/pkg/reconcilers/reconcilertest"
	"github.com/fluxd/fluxd/pkg/sources/helm"
	"github.com/fluxd/fluxd/pkg/sources/helm/helmtest"
	"github.com/fluxd/fluxd/pkg/transport"
)

// world is a server and a reconciler with its Secrets.
type world struct {
	t       *testing.T
	server  *helmtest.Server
	index   []byte
	secrets reconcilertest.Secrets
	indexes *helm.Indexes
	plugin  reconcilers.Plugin
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, server: helmtest.New(), secrets: reconcilertest.Secrets{}}
	t.Cleanup(w.server.Close)
	w.index = w.server.Publish([]string{"app", w.server.Offer("app", "1.0.0", helmtest.Chart("app", "1.0.0"))})
	w.restart()
	return w
}

// restart makes memory cold.
func (w *world) restart() {
	w.t.Helper()
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.indexes = helm.NewIndexes(func(helm.Source) []helm.Want { return []helm.Want{{Name: "app"}} })
	w.plugin = helmrepository.Plugin(attempt.Config{
		Store: store, Secrets: w.secrets, Hosts: transport.NewHosts(), BaseURL: "http://source/",
	}, w.indexes, helmrepository.Options{IndexBytes: 100_000})
}

func (w *world) object() *v1.HelmRepository {
	o := &v1.HelmRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "charts", Generation: 1},
		Spec:       v1.HelmRepositorySpec{URL: w.server.URL, Timeout: &metav1.Duration{Duration: 2 * time.Second}},
	}
	o.SetGroupVersionKind(api.HelmRepositoryGVK)
	return o
}

func (w *world) reconcile(o *v1.HelmRepository) (reconcilers.Result, error) {
	w.t.Helper()
	return reconcilertest.Reconcile(w.t.Context(), w.t, w.plugin, o)
}

func (w *world) ready(o *v1.HelmRepository) reconcilers.Result {
	w.t.Helper()
	result, err := w.reconcile(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) revision() string { return "sha256:" + helmtest.Digest(w.index) }

func TestNewArtifact(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	result := w.ready(o)
	revision := w.revision()
	if result.Reason != api.ReasonSucceeded || result.Message != "stored artifact: revision '"+revision+"'" || result.Revision != revision {
		t.Errorf("the result is %+v", result)
	}
	a := o.Status.Artifact
	if a == nil || a.Revision != revision || a.Digest != revision || *a.Size != int64(len(w.index)) ||
		a.Path != "helmrepository/ns/charts/index-"+strings.TrimPrefix(revision, "sha256:")+".yaml" || a.URL != "http://source/"+a.Path {
		t.Fatalf("the artifact is %+v", a)
	}
	if o.Status.URL != "http://source/helmrepository/ns/charts/index.yaml" {
		t.Errorf("the URL is %s", o.Status.URL)
	}
	want := "stored fetched index of size 260B from '" + w.server.URL + "'"
	if f := result.Fact; f == nil || f.Reason != api.ReasonNewArtifact || f.Message != want || f.Annotations["source.toolkit.fluxcd.io/revision"] != revision {
		t.Errorf("the fact is %+v, want %s", f, want)
	}
	if !conditions.IsTrue(o.Status.Conditions, api.ConditionArtifactInStorage) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestUnchanged(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	before := o.DeepCopy()
	for name, again := range map[string]func(){"again": func() {}, "after a restart": w.restart} {
		again()
		w.server.Counts()
		result := w.ready(o)
		if diff := cmp.Diff(before.Status, o.Status); diff != "" {
			t.Errorf("%s: the status changed:\n%s", name, diff)
		}
		if f := result.Fact; f == nil || f.Reason != api.ReasonArtifactUpToDate || !f.Routine {
			t.Errorf("%s: the fact is %+v", name, f)
		}
		if asked, _ := w.server.Counts(); asked != 1 {
			t.Errorf("%s: %d requests", name, asked)
		}
	}
}

func TestNews(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	first := o.Status.Artifact.Digest
	w.index = w.server.Publish([]string{"app", w.server.Offer("app", "2.0.0", helmtest.Chart("app", "2.0.0"))})
	if result := w.ready(o); result.Fact == nil || result.Fact.Reason != api.ReasonNewArtifact || o.Status.Artifact.Digest == first {
		t.Errorf("the fact is %+v, the artifact %+v", result.Fact, o.Status.Artifact)
	}
}

// An artifact that Flux recorded for the same index stays as it is.
func TestTakeover(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	size := int64(7)
	o.Status.Artifact.Digest, o.Status.Artifact.Size = "sha256:of-the-json", &size
	before := o.DeepCopy()
	w.restart()
	w.ready(o)
	if diff := cmp.Diff(before.Status, o.Status); diff != "" {
		t.Errorf("the status changed:\n%s", diff)
	}
}

func TestOCI(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	o.Spec.Type, o.Spec.URL = v1.HelmRepositoryOCI, "oci://registry.example.com/charts"
	result := w.ready(o)
	if diff := cmp.Diff(v1.HelmRepositoryStatus{}, o.Status); diff != "" || !result.Static {
		t.Errorf("the result is %+v, the status:\n%s", result, diff)
	}
	if refs := w.plugin.References(o); len(refs) > 0 {
		t.Errorf("it reads %v", refs)
	}
}

func TestSuspended(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	o.Spec.Suspend = true
	w.restart()
	w.ready(o)
	w.restart()
	w.server.Publish([]string{"other"})
	if _, err := w.reconcile(o); !errors.Is(err, helm.ErrMoved) {
		t.Errorf("an index that has changed: got %v", err)
	}
}

func TestFinalize(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	w.ready(o)
	for range 2 {
		if err := w.plugin.Finalize(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
	w.server.Counts()
	w.ready(o)
	if _, whole := w.server.Counts(); whole != 1 {
		t.Error("the index was still known")
	}
}

func TestCredentials(t *testing.T) {
	for name, tc := range map[string]struct {
		secret map[string][]byte
		reason string // empty is success
	}{
		"right":            {map[string][]byte{"username": []byte("u"), "password": []byte("right")}, ""},
		"wrong":            {map[string][]byte{"username": []byte("u"), "password": []byte("wrong-hidden")}, api.ReasonFailed},
		"empty":            {map[string][]byte{}, api.ReasonFailed},
		"missing":          {nil, api.ReasonAuthenticationFailed},
		"half":             {map[string][]byte{"username": []byte("hidden")}, api.ReasonAuthenticationFailed},
		"with broken TLS":  {map[string][]byte{"username": []byte("u"), "password": []byte("right"), "ca.crt": []byte("hidden")}, api.ReasonAuthenticationFailed},
		"with half a pair": {map[string][]byte{"username": []byte("u"), "password": []byte("right"), "tls.crt": []byte("hidden")}, api.ReasonAuthenticationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Require("right")
			if tc.secret != nil {
				w.secrets["ns/login"] = tc.secret
			}
			o := w.object()
			o.Spec.SecretRef = &api.LocalObjectReference{Name: "login"}
			w.expect(o, tc.reason, false)
		})
	}
}

// expect reconciles and checks how it ends. An empty reason is success.
func (w *world) expect(o *v1.HelmRepository, reason string, stalls bool) {
	w.t.Helper()
	_, err := w.reconcile(o)
	failed := conditions.Get(o.Status.Conditions, api.ConditionFetchFailed)
	if reason == "" {
		if err != nil || failed != nil {
			w.t.Errorf("got %v, %+v", err, failed)
		}
		return
	}
	_, stalled := errors.AsType[*fault.StalledError](err)
	if fault.Reason(err, "") != reason || stalled != stalls || failed == nil || failed.Reason != reason {
		w.t.Errorf("got %v (%s, stalled %t), %+v, want %s", err, fault.Reason(err, ""), stalled, failed, reason)
	}
	if err != nil && strings.Contains(err.Error(), "hidden") {
		w.t.Errorf("a secret is in %v", err)
	}
}

func TestCertificates(t *testing.T) {
	for name, tc := range map[string]struct {
		data   func(ca []byte) map[string][]byte
		inOne  bool // in spec.secretRef
		reason string
	}{
		"trusted":                      {func(ca []byte) map[string][]byte { return map[string][]byte{"ca.crt": ca} }, false, ""},
		"by the older name":            {func(ca []byte) map[string][]byte { return map[string][]byte{"caFile": ca} }, false, ""},
		"in the Secret with the login": {func(ca []byte) map[string][]byte { return map[string][]byte{"ca.crt": ca} }, true, ""},
		"untrusted":                    {func([]byte) map[string][]byte { return nil }, false, api.ReasonFailed},
		"an empty Secret":              {func([]byte) map[string][]byte { return map[string][]byte{} }, false, api.ReasonAuthenticationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server = helmtest.NewTLS()
			defer w.server.Close()
			w.server.Publish()
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
			o := w.object()
			if data := tc.data(ca); data != nil {
				w.secrets["ns/tls"] = data
				o.Spec.CertSecretRef = &api.LocalObjectReference{Name: "tls"}
				if tc.inOne {
					o.Spec.SecretRef, o.Spec.CertSecretRef = o.Spec.CertSecretRef, nil
				}
			}
			w.expect(o, tc.reason, false)
		})
	}
}

func TestBadSpecs(t *testing.T) {
	for name, tc := range map[string]struct{ url, reason string }{
		"a registry":          {"oci://registry.example.com/charts", api.ReasonURLInvalid},
		"no URL":              {"http://a b/?token=hidden", api.ReasonURLInvalid},
		"no host":             {"http:///charts?token=hidden", api.ReasonURLInvalid},
		"another protocol":    {"ftp://charts.example.com/?token=hidden", api.ReasonFailed},
		"a control character": {"http://\x7f/?token=hidden", api.ReasonURLInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.object()
			o.Spec.URL = tc.url
			w.expect(o, tc.reason, true)
		})
	}
}

func TestBadServers(t *testing.T) {
	text := func(s string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(s)) }
	}
	for name, tc := range map[string]struct {
		serve  http.HandlerFunc
		reason string
	}{
		"not found":       {http.NotFound, api.ReasonFailed},
		"a sign-in page":  {text("<html>sign in</html>"), api.ReasonIndexationFailed},
		"no API version":  {text("entries: {}\n"), api.ReasonIndexationFailed},
		"too much":        {text("apiVersion: v1\nentries:\n" + strings.Repeat("  # x\n", 100_000)), api.ReasonFailed},
		"too slow":        {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, api.ReasonFailed},
		"to another host": {http.RedirectHandler("http://127.0.0.1:1/index.yaml?token=hidden", http.StatusFound).ServeHTTP, api.ReasonFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			web := httptest.NewServer(tc.serve)
			defer web.Close()
			o := w.object()
			good := w.ready(o)
			o.Spec.URL, o.Generation = web.URL+"?key=hidden", 2
			w.expect(o, tc.reason, false)
			if a := o.Status.Artifact; a == nil || a.Revision != good.Revision {
				t.Errorf("the artifact is %+v", a)
			}
			o.Spec.URL = w.server.URL
			if result := w.ready(o); result.Fact == nil || result.Fact.Reason != api.ReasonSucceeded || result.Fact.Routine {
				t.Errorf("the fact of the recovery is %+v", result.Fact)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	o.Spec.SecretRef, o.Spec.CertSecretRef = &api.LocalObjectReference{Name: "a"}, &api.LocalObjectReference{Name: "b"}
	var got []string
	for _, ref := range w.plugin.References(o) {
		got = append(got, ref.String())
	}
	if diff := cmp.Diff([]string{"Secret/ns/a", "Secret/ns/b"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestShutdown(t *testing.T) {
	w := newWorld(t)
	o := w.object()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.plugin.Reconcile(ctx, o); !errors.Is(err, context.Canceled) || len(o.Status.Conditions) > 0 {
		t.Errorf("got %v, %+v", err, o.Status.Conditions)
	}
}
