package ocirepository_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
)

func TestNewArtifact(t *testing.T) {
	w := newWorld(t)
	sum := w.registry.Push(repository, "latest", ocitest.Image{
		Layers: []ocitest.Layer{{Content: ocitest.TarGz(ocitest.Files(map[string]string{"a.yaml": "a: 1\n", "logo.png": "png"})...)}},
		Annotations: map[string]string{
			"org.opencontainers.image.source": "https://git.test/apps", "org.opencontainers.image.revision": "main@sha1:1",
		},
	})
	o := w.object()
	result := w.ready(o)
	revision := "latest@" + sum
	if result.Reason != api.ReasonSucceeded || result.Message != "stored artifact for digest '"+revision+"'" || result.Revision != revision {
		t.Errorf("the result is %+v", result)
	}
	a := o.Status.Artifact
	if a == nil || a.Revision != revision || a.Path != "ocirepository/ns/apps/"+sum+".tar.gz" || a.URL != "http://source/"+a.Path ||
		a.Size == nil || a.LastUpdateTime.IsZero() || a.Metadata["org.opencontainers.image.revision"] != "main@sha1:1" {
		t.Fatalf("the artifact is %+v", a)
	}
	if o.Status.URL != "http://source/ocirepository/ns/apps/latest.tar.gz" {
		t.Errorf("the URL is %s", o.Status.URL)
	}
	if diff := cmp.Diff(map[string]string{"a.yaml": "a: 1\n"}, w.files(o)); diff != "" {
		t.Error(diff)
	}
	news := fmt.Sprintf("stored artifact with revision '%s' from '%s', origin source 'https://git.test/apps', origin revision 'main@sha1:1'", revision, o.Spec.URL)
	if result.Fact == nil || result.Fact.Reason != api.ReasonNewArtifact || result.Fact.Message != news {
		t.Errorf("the fact is %+v", result.Fact)
	}
	if !conditions.IsTrue(o.Status.Conditions, api.ConditionArtifactInStorage) || len(o.Status.Conditions) != 1 {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestSteadyState(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	o := w.object()
	w.ready(o)
	w.registry.Requests()
	before := o.DeepCopy()
	result := w.ready(o)
	if diff := cmp.Diff(before, o); diff != "" {
		t.Errorf("the second run changed the object:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"HEAD /v2/team/apps/manifests/latest"}, w.registry.Requests()); diff != "" {
		t.Error(diff)
	}
	if result.Fact == nil || !result.Fact.Routine || result.Fact.Reason != api.ReasonArtifactUpToDate {
		t.Errorf("the fact is %+v", result.Fact)
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	o := w.object()
	w.ready(o)
	before := o.DeepCopy()
	w.restart()
	result := w.ready(o)
	if diff := cmp.Diff(before, o); diff != "" {
		t.Errorf("the restart changed the object:\n%s", diff)
	}
	if w.files(o)["a"] != "1" || result.Fact != nil {
		t.Errorf("the files are %v, the fact %+v", w.files(o), result.Fact)
	}
}

func TestRestartWithAMovedTag(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	o := w.object()
	w.ready(o)
	sum := w.registry.PushFiles(repository, "latest", map[string]string{"a": "2"})
	w.restart()
	w.ready(o)
	if o.Status.Artifact.Revision != "latest@"+sum || w.files(o)["a"] != "2" {
		t.Errorf("the artifact is %+v", o.Status.Artifact)
	}
}

func TestRestartWithoutTheTag(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	o := w.object()
	w.ready(o)
	recorded := o.Status.Artifact.DeepCopy()
	w.registry.Delete(repository, "latest")
	w.restart()
	w.fails(o)
	if diff := cmp.Diff(recorded, o.Status.Artifact); diff != "" {
		t.Errorf("the artifact was changed:\n%s", diff)
	}
	if !conditions.IsTrue(o.Status.Conditions, api.ConditionFetchFailed) || w.files(o)["a"] != "1" {
		t.Errorf("the conditions are %+v, the files %v", o.Status.Conditions, w.files(o))
	}
	w.registry.Requests()
	w.fails(o)
	if diff := cmp.Diff([]string{"HEAD /v2/team/apps/manifests/latest"}, w.registry.Requests()); diff != "" {
		t.Errorf("what was restored is restored again:\n%s", diff)
	}
}

func TestSuspended(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	o := w.object()
	w.ready(o)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "2"})
	o.Spec.Suspend = true
	before := o.DeepCopy()
	w.ready(o)
	w.restart()
	w.ready(o)
	if diff := cmp.Diff(before, o); diff != "" {
		t.Errorf("a suspended object was changed:\n%s", diff)
	}
	if w.files(o)["a"] != "1" {
		t.Errorf("the files are %v", w.files(o))
	}
	w.registry.Close()
	w.restart()
	if err := w.fails(o); cmp.Diff(before, o) != "" {
		t.Errorf("without the registry it was changed: %v", err)
	}
}

func TestChangedSettings(t *testing.T) {
	tests := map[string]struct {
		change func(*v1.OCIRepository)
		want   map[string]string
	}{
		"ignore": {func(o *v1.OCIRepository) { patterns := "a\n"; o.Spec.Ignore = &patterns }, map[string]string{"b": "2", "c.png": "3"}},
		"copy":   {func(o *v1.OCIRepository) { o.Spec.LayerSelector = &v1.OCILayerSelector{Operation: v1.OCILayerCopy} }, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			files := map[string]string{"a": "1", "b": "2", "c.png": "3"}
			w.registry.PushFiles(repository, "latest", files)
			o := w.object()
			w.ready(o)
			first := o.Status.Artifact.DeepCopy()
			test.change(o)
			w.ready(o)
			if o.Status.Artifact.Revision != first.Revision || o.Status.Artifact.Digest == first.Digest || o.Status.Artifact.Path != first.Path {
				t.Errorf("the artifact is %+v", o.Status.Artifact)
			}
			if diff := cmp.Diff(o.Spec.Ignore, o.Status.ObservedIgnore); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(o.Spec.LayerSelector, o.Status.ObservedLayerSelector); diff != "" {
				t.Error(diff)
			}
			want := test.want
			if want == nil {
				layer := ocitest.TarGz(ocitest.Files(files)...)
				want = map[string]string{"artifact.tar.gz": string(layer)}
				if o.Status.Artifact.Digest != ocitest.DigestOf(layer) || *o.Status.Artifact.Size != int64(len(layer)) {
					t.Errorf("the artifact is %+v", o.Status.Artifact)
				}
			}
			if diff := cmp.Diff(want, w.files(o)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	one := w.registry.PushFiles(repository, "1.0.0", map[string]string{"v": "1.0.0"})
	two := w.registry.PushFiles(repository, "1.1.0", map[string]string{"v": "1.1.0"})
	for name, tt := range map[string]struct {
		ref  v1.OCIRepositoryRef
		want string
	}{
		"tag":    {v1.OCIRepositoryRef{Tag: "1.0.0"}, "1.0.0@" + one},
		"semver": {v1.OCIRepositoryRef{SemVer: "1.x", Tag: "1.0.0"}, "1.1.0@" + two},
		"filter": {v1.OCIRepositoryRef{SemVer: "1.x", SemverFilter: `\.0\.0$`}, "1.0.0@" + one},
		"digest": {v1.OCIRepositoryRef{Digest: one, SemVer: "1.x"}, one},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.object()
			o.Spec.Reference = &tt.ref
			w.ready(o)
			if o.Status.Artifact.Revision != tt.want {
				t.Errorf("got %s, want %s", o.Status.Artifact.Revision, tt.want)
			}
		})
	}
}

func TestManyShareOneDownload(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": strings.Repeat("1", 4096)})
	var all []*v1.OCIRepository
	for i := range 10 {
		o := w.object()
		o.Name = fmt.Sprint("apps-", i)
		w.ready(o)
		all = append(all, o)
	}
	blobs := 0
	for _, request := range w.registry.Requests() {
		if strings.Contains(request, "/blobs/") {
			blobs++
		}
	}
	if used := w.store.Stats(); blobs != 1 || used.Blobs != 1 {
		t.Errorf("%d objects took %d downloads and %d blobs", len(all), blobs, used.Blobs)
	}
	other := w.object()
	other.Name = "with-a-login"
	other.Spec.SecretRef = ref("login")
	w.secrets["ns/login"] = w.pullSecret("me")
	w.ready(other)
	if requests := strings.Join(w.registry.Requests(), "\n"); !strings.Contains(requests, "/blobs/") {
		t.Errorf("another login got what it did not ask for: %s", requests)
	}
}

func TestFailures(t *testing.T) {
	patterns := "x"
	tests := map[string]struct {
		prepare func(*world, *v1.OCIRepository)
		reason  string
		stalled bool
	}{
		"no URL":                {func(_ *world, o *v1.OCIRepository) { o.Spec.URL = "https://host/apps" }, api.ReasonURLInvalid, true},
		"a tag in the URL":      {func(_ *world, o *v1.OCIRepository) { o.Spec.URL += ":v1" }, api.ReasonURLInvalid, true},
		"a password in the URL": {func(_ *world, o *v1.OCIRepository) { o.Spec.URL = "oci://me:" + password + "@host.example/apps" }, api.ReasonURLInvalid, true},
		"no such tag":           {func(_ *world, o *v1.OCIRepository) { o.Spec.Reference.Tag = "gone" }, api.ReasonOCIArtifactPullFailed, false},
		"no such repository":    {func(w *world, o *v1.OCIRepository) { o.Spec.URL = w.registry.URL("gone") }, api.ReasonOCIArtifactPullFailed, false},
		"no such digest":        {func(_ *world, o *v1.OCIRepository) { o.Spec.Reference.Digest = ocitest.DigestOf(nil) }, api.ReasonOCIArtifactPullFailed, false},
		"a malformed digest":    {func(_ *world, o *v1.OCIRepository) { o.Spec.Reference.Digest = "sha256:x" }, api.ReasonReadOperationFailed, false},
		"a malformed range":     {func(_ *world, o *v1.OCIRepository) { o.Spec.Reference.SemVer = "x x" }, api.ReasonReadOperationFailed, false},
		"a malformed filter": {func(_ *world, o *v1.OCIRepository) {
			o.Spec.Reference = &v1.OCIRepositoryRef{SemVer: "*", SemverFilter: "("}
		}, api.ReasonReadOperationFailed, false},
		"nothing in the range":  {func(_ *world, o *v1.OCIRepository) { o.Spec.Reference.SemVer = ">9" }, api.ReasonReadOperationFailed, false},
		"no such layer":         {func(_ *world, o *v1.OCIRepository) { o.Spec.LayerSelector = &v1.OCILayerSelector{MediaType: "x"} }, api.ReasonOCIArtifactLayerOperationFailed, false},
		"a layer without gzip":  {func(w *world, _ *v1.OCIRepository) { w.push(ocitest.Tar(ocitest.Entry{Name: "a"})) }, api.ReasonOCIArtifactLayerOperationFailed, false},
		"a name that leads out": {func(w *world, _ *v1.OCIRepository) { w.push(ocitest.TarGz(ocitest.Entry{Name: "../a"})) }, api.ReasonOCIArtifactLayerOperationFailed, false},
		"too much": {func(w *world, _ *v1.OCIRepository) {
			w.push(ocitest.TarGz(ocitest.Entry{Name: "a", Content: strings.Repeat("x", 2<<20)}))
		}, api.ReasonArchiveOperationFailed, false},
		"no Secret":       {func(_ *world, o *v1.OCIRepository) { o.Spec.SecretRef = ref("gone") }, api.ReasonAuthenticationFailed, false},
		"an empty Secret": {func(w *world, o *v1.OCIRepository) { w.secrets["ns/s"] = nil; o.Spec.SecretRef = ref("s") }, api.ReasonAuthenticationFailed, false},
		"a malformed Secret": {func(w *world, o *v1.OCIRepository) {
			w.secret(".dockerconfigjson", "{"+password)
			o.Spec.SecretRef = ref("s")
		}, api.ReasonAuthenticationFailed, false},
		"no certificates":        {func(_ *world, o *v1.OCIRepository) { o.Spec.CertSecretRef = ref("gone") }, api.ReasonAuthenticationFailed, false},
		"malformed certificates": {func(w *world, o *v1.OCIRepository) { w.secret("ca.crt", password); o.Spec.CertSecretRef = ref("s") }, api.ReasonAuthenticationFailed, false},
		"a certificate alone":    {func(w *world, o *v1.OCIRepository) { w.secret("tls.crt", password); o.Spec.CertSecretRef = ref("s") }, api.ReasonAuthenticationFailed, false},
		"no proxy":               {func(_ *world, o *v1.OCIRepository) { o.Spec.ProxySecretRef = ref("gone") }, api.ReasonAuthenticationFailed, false},
		"a malformed proxy":      {func(w *world, o *v1.OCIRepository) { w.secret("address", "ftp://x"); o.Spec.ProxySecretRef = ref("s") }, api.ReasonAuthenticationFailed, false},
		"no account":             {func(_ *world, o *v1.OCIRepository) { o.Spec.ServiceAccountName = "gone" }, api.ReasonAuthenticationFailed, false},
		"an account's lost Secret": {func(w *world, o *v1.OCIRepository) {
			w.accounts["ns/a"] = []string{"gone"}
			o.Spec.ServiceAccountName = "a"
		}, api.ReasonAuthenticationFailed, false},
		"an identity of no cloud": {func(_ *world, o *v1.OCIRepository) { o.Spec.Provider = v1.OCIProviderAWS }, api.ReasonAuthenticationFailed, false},
		"an identity without the gate": {func(w *world, o *v1.OCIRepository) {
			w.accounts["ns/a"] = nil
			o.Spec.Provider, o.Spec.ServiceAccountName = v1.OCIProviderGCP, "a"
		}, api.ReasonFeatureGateDisabled, true},
		"the wrong password": {func(w *world, o *v1.OCIRepository) {
			w.registry.RequireBasic("me", "other")
			w.secrets["ns/s"] = w.pullSecret("me")
			o.Spec.SecretRef = ref("s")
		}, api.ReasonOCIArtifactPullFailed, false},
		"TLS where there is none": {func(_ *world, o *v1.OCIRepository) { o.Spec.Insecure = false }, api.ReasonOCIArtifactPullFailed, false},
		"no registry":             {func(w *world, _ *v1.OCIRepository) { w.registry.Close() }, api.ReasonOCIArtifactPullFailed, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.limits.Bytes = 1 << 20
			w.restart()
			w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
			o := w.object()
			w.ready(o)
			stored := o.Status.Artifact.DeepCopy()
			o.Generation, o.Spec.Ignore = 2, &patterns // so that up to date is not enough
			test.prepare(w, o)
			err := w.fails(o)
			_, stalled := errors.AsType[*fault.StalledError](err)
			if fault.Reason(err, "") != test.reason || stalled != test.stalled {
				t.Errorf("got %q (stalled %v), want %q: %v", fault.Reason(err, ""), stalled, test.reason, err)
			}
			if strings.Contains(fmt.Sprint(err, o.Status), password) {
				t.Errorf("a secret is seen: %v", err)
			}
			if diff := cmp.Diff(stored, o.Status.Artifact); diff != "" || w.files(o)["a"] != "1" {
				t.Errorf("the artifact did not survive:\n%s", diff)
			}
			kind := api.ConditionFetchFailed
			if test.reason == api.ReasonArchiveOperationFailed {
				kind = api.ConditionStorageOperationFailed
			}
			if !conditions.IsTrue(o.Status.Conditions, kind) {
				t.Errorf("the conditions are %+v", o.Status.Conditions)
			}
		})
	}
}

func (w *world) push(layer []byte) {
	w.registry.Push(repository, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: layer}}})
}

func (w *world) secret(key, value string) { w.secrets["ns/s"] = map[string][]byte{key: []byte(value)} }

func TestRecovery(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	o := w.object()
	w.ready(o)
	w.push([]byte("garbage"))
	w.fails(o)
	if !conditions.IsTrue(o.Status.Conditions, api.ConditionArtifactOutdated) {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	result := w.ready(o)
	if result.Fact == nil || result.Fact.Reason != api.ReasonSucceeded || result.Fact.Routine {
		t.Errorf("the fact is %+v", result.Fact)
	}
	if len(o.Status.Conditions) != 1 {
		t.Errorf("the conditions are %+v", o.Status.Conditions)
	}
}

func TestLogins(t *testing.T) {
	for name, prepare := range map[string]func(*world, *v1.OCIRepository){
		"a Secret": func(w *world, o *v1.OCIRepository) {
			w.secrets["ns/s"] = w.pullSecret("me")
			o.Spec.SecretRef = ref("s")
		},
		"an account": func(w *world, o *v1.OCIRepository) {
			w.secrets["ns/s"] = w.pullSecret("me")
			w.accounts["ns/a"] = []string{"s"}
			o.Spec.ServiceAccountName = "a"
		},
		"both": func(w *world, o *v1.OCIRepository) {
			w.secrets["ns/other"] = map[string][]byte{".dockerconfigjson": []byte(`{"auths":{"elsewhere.example":{"auth":"bWU6cHc="}}}`)}
			w.secrets["ns/s"] = w.pullSecret("me")
			w.accounts["ns/a"] = []string{"s"}
			o.Spec.ServiceAccountName, o.Spec.SecretRef = "a", ref("other")
		},
		"a Secret before a cloud": func(w *world, o *v1.OCIRepository) {
			w.secrets["ns/s"] = w.pullSecret("me")
			o.Spec.SecretRef, o.Spec.Provider = ref("s"), v1.OCIProviderAzure
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
			w.registry.RequireToken("me", password)
			o := w.object()
			prepare(w, o)
			w.ready(o)
		})
	}
}

func TestTimeout(t *testing.T) {
	w := newWorld(t)
	w.registry.Intercept(func(_ http.ResponseWriter, req *http.Request) bool {
		<-req.Context().Done()
		return true
	})
	o := w.object()
	o.Spec.Timeout = &metav1.Duration{Duration: 100 * time.Millisecond}
	if err := w.fails(o); !errors.Is(err, oci.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestCancellation(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.registry.Intercept(func(_ http.ResponseWriter, req *http.Request) bool {
		cancel()
		<-req.Context().Done()
		return true
	})
	o := w.object()
	_, err := w.plugin.Reconcile(ctx, o)
	if !errors.Is(err, context.Canceled) || len(o.Status.Conditions) > 0 {
		t.Errorf("got %v, and the conditions are %+v", err, o.Status.Conditions)
	}
}

func TestFinalize(t *testing.T) {
	w := newWorld(t)
	w.registry.PushFiles(repository, "latest", map[string]string{"a": "1"})
	o := w.object()
	w.ready(o)
	for range 2 {
		if err := w.plugin.Finalize(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.store.Open(owner, o.Status.Artifact.Digest); !errors.Is(err, artifacts.ErrNotFound) {
		t.Errorf("the artifact is still there: %v", err)
	}
}

func TestAnnotationsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.registry.Push(repository, "latest", ocitest.Image{
		Layers: []ocitest.Layer{{Content: ocitest.TarGz()}}, Annotations: map[string]string{"a": strings.Repeat("x", 100<<10)},
	})
	if err := w.fails(w.object()); fault.Reason(err, "") != api.ReasonOCIArtifactLayerOperationFailed {
		t.Errorf("got %v", err)
	}
}
