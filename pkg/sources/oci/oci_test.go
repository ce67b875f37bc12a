package oci_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
	"github.com/fluxd/fluxd/pkg/transport"
)

const apps = "team/apps"

func newRegistry(t *testing.T) *ocitest.Registry {
	t.Helper()
	r := ocitest.New()
	t.Cleanup(r.Close)
	return r
}

// plain turns https into http, as the registries of most tests do not speak TLS.
type plain struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (p plain) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		return nil, http.ErrSchemeMismatch
	}
	return p.next.RoundTrip(req)
}

// open returns a repository of a registry that speaks plain HTTP.
func open(t *testing.T, url string, o oci.Options) *oci.Repository {
	t.Helper()
	o.Transport, o.Insecure = plain{transport.NewHosts().Transport(transport.Options{})}, true
	r, err := oci.Open(url, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newStore(t *testing.T) *artifacts.Store {
	t.Helper()
	s, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files returns the content of a tree.
func files(t *testing.T, tree *artifacts.Tree) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// extract resolves ref and unpacks the first layer.
func extract(ctx context.Context, r *oci.Repository, s *artifacts.Store, ref oci.Ref, patterns string) (oci.Version, *artifacts.Tree, error) {
	v, err := r.Resolve(ctx, ref)
	if err != nil {
		return v, nil, err
	}
	m, err := r.Manifest(ctx, v.Digest)
	if err != nil {
		return v, nil, err
	}
	layer, err := m.Layer("")
	if err != nil {
		return v, nil, err
	}
	tree, _, err := r.Extract(ctx, layer, s, patterns)
	return v, tree, err
}

func TestPull(t *testing.T) {
	registry := newRegistry(t)
	want := map[string]string{"deploy/app.yaml": "kind: App\n", "README.md": "hello"}
	sum := registry.PushFiles(apps, "1.0.0", want)
	r := open(t, registry.URL(apps), oci.Options{})
	v, tree, err := extract(t.Context(), r, newStore(t), oci.Ref{Tag: "1.0.0"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if v.Revision() != "1.0.0@"+sum {
		t.Errorf("the revision is %s", v.Revision())
	}
	if diff := cmp.Diff(want, files(t, tree)); diff != "" {
		t.Error(diff)
	}
	blob := ocitest.DigestOf(ocitest.TarGz(ocitest.Files(want)...))
	wantRequests := []string{"HEAD /v2/team/apps/manifests/1.0.0", "GET /v2/team/apps/manifests/" + sum, "GET /v2/team/apps/blobs/" + blob}
	if diff := cmp.Diff(wantRequests, registry.Requests()); diff != "" {
		t.Error(diff)
	}
}

func TestResolve(t *testing.T) {
	registry := newRegistry(t)
	registry.PageSize(2)
	digests := map[string]string{}
	for _, tag := range []string{"latest", "1.0.0", "v1.2.0", "1.10.0", "2.0.0-rc.1", "1.10.0-staging.1", "1.9", "01.11.0", "chart-1.0.0", "3.0.0_build.5"} {
		digests[tag] = registry.PushFiles(apps, tag, map[string]string{"tag": tag})
	}
	tests := map[string]struct {
		ref  oci.Ref
		tag  string
		kind error
	}{
		"nothing is latest":               {oci.Ref{}, "latest", nil},
		"a tag":                           {oci.Ref{Tag: "1.0.0"}, "1.0.0", nil},
		"the highest of a range":          {oci.Ref{SemVer: ">=1.0.0 <1.11.0"}, "1.10.0", nil},
		"leading zeros":                   {oci.Ref{SemVer: "~1.11.0"}, "01.11.0", nil},
		"a leading v":                     {oci.Ref{SemVer: "1.2.x"}, "v1.2.0", nil},
		"a range wins over a tag":         {oci.Ref{SemVer: "1.0.0", Tag: "latest"}, "1.0.0", nil},
		"pre-releases if they are named":  {oci.Ref{SemVer: ">=2.0.0-0"}, "2.0.0-rc.1", nil},
		"a filter, found anywhere":        {oci.Ref{SemVer: ">=1.0.0-0", Filter: "staging"}, "1.10.0-staging.1", nil},
		"no two parts":                    {oci.Ref{SemVer: "~1.9.0"}, "", oci.ErrNotFound},
		"a chart's underscore is a plus":  {oci.Ref{SemVer: "3.x", Chart: true}, "3.0.0_build.5", nil},
		"an underscore is no version":     {oci.Ref{SemVer: "3.x"}, "", oci.ErrNotFound},
		"nothing passes the filter":       {oci.Ref{SemVer: "*", Filter: "^nothing$"}, "", oci.ErrNotFound},
		"a tag that is not there":         {oci.Ref{Tag: "gone"}, "", oci.ErrNotFound},
		"a malformed range":               {oci.Ref{SemVer: "not a range"}, "", oci.ErrConfig},
		"a malformed filter":              {oci.Ref{SemVer: "*", Filter: "("}, "", oci.ErrConfig},
		"a malformed digest":              {oci.Ref{Digest: "sha256:short"}, "", oci.ErrConfig},
		"a tag that no registry can have": {oci.Ref{Tag: "a/../b"}, "", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := open(t, registry.URL(apps), oci.Options{}).Resolve(t.Context(), test.ref)
			if test.tag == "" {
				if err == nil || test.kind != nil && !errors.Is(err, test.kind) {
					t.Fatalf("got %+v, %v, want %v", v, err, test.kind)
				}
				return
			}
			if err != nil || v.Tag != test.tag || v.Digest != digests[test.tag] {
				t.Errorf("got %+v, %v, want %s", v, err, test.tag)
			}
		})
	}
}

func TestResolveDigestAsksNobody(t *testing.T) {
	registry := newRegistry(t)
	sum := ocitest.DigestOf([]byte("x"))
	v, err := open(t, registry.URL(apps), oci.Options{}).Resolve(t.Context(), oci.Ref{Digest: sum, SemVer: "*", Tag: "x"})
	if err != nil || v.Revision() != sum || len(registry.Requests()) > 0 {
		t.Errorf("got %+v, %v", v, err)
	}
	if again, err := oci.ParseRevision("tag@" + sum); err != nil || again.Tag != "tag" || again.Digest != sum {
		t.Errorf("a revision reads as %+v, %v", again, err)
	}
	if _, err := oci.ParseRevision("main@sha1:abc"); !errors.Is(err, oci.ErrConfig) {
		t.Errorf("a revision of Git: %v", err)
	}
}

func TestHeadIsNotAnswered(t *testing.T) {
	refuse := func(status int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodHead {
				w.WriteHeader(status)
			}
			return req.Method == http.MethodHead
		}
	}
	tests := map[string]func(http.ResponseWriter, *http.Request) bool{
		"not allowed":     refuse(http.StatusMethodNotAllowed),
		"not implemented": refuse(http.StatusNotImplemented),
		"bad request":     refuse(http.StatusBadRequest),
		"forbidden":       refuse(http.StatusForbidden),
		"without digest":  refuse(http.StatusOK),
	}
	for name, intercept := range tests {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			sum := registry.PushFiles(apps, "latest", nil)
			registry.Intercept(intercept)
			v, err := open(t, registry.URL(apps), oci.Options{}).Resolve(t.Context(), oci.Ref{})
			if err != nil || v.Digest != sum {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	registry := newRegistry(t)
	amd := registry.PushFiles(apps, "", map[string]string{"arch": "amd64"})
	arm := registry.PushFiles(apps, "", map[string]string{"arch": "arm64"})
	both := registry.PushIndex(apps, "latest", map[string]string{"linux/arm64": arm, "linux/amd64": amd})
	registry.PushIndex(apps, "arm", map[string]string{"linux/arm64": arm})
	r := open(t, registry.URL(apps), oci.Options{})
	v, tree, err := extract(t.Context(), r, newStore(t), oci.Ref{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if v.Digest != both || files(t, tree)["arch"] != "amd64" {
		t.Errorf("%s has the files %v", v.Digest, files(t, tree))
	}
	if _, _, err := extract(t.Context(), r, newStore(t), oci.Ref{Tag: "arm"}, ""); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("an index without linux/amd64: %v", err)
	}
}

func TestLayers(t *testing.T) {
	registry := newRegistry(t)
	chart := ocitest.TarGz(ocitest.Entry{Name: "app/Chart.yaml", Content: "name: app\n"})
	sum := registry.Push(apps, "latest", ocitest.Image{
		Annotations: map[string]string{"org.opencontainers.image.revision": "main@sha1:1"},
		Layers: []ocitest.Layer{
			{MediaType: "text/plain", Content: []byte("provenance")},
			{MediaType: oci.HelmLayer, Content: chart},
		},
	})
	r, store := open(t, registry.URL(apps), oci.Options{}), newStore(t)
	m, err := r.Manifest(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	if m.Annotations["org.opencontainers.image.revision"] != "main@sha1:1" || m.Config.MediaType != ocitest.ConfigType {
		t.Errorf("the manifest is %+v", m)
	}
	if first, err := m.Layer(""); err != nil || first.MediaType != "text/plain" {
		t.Errorf("the first layer is %+v, %v", first, err)
	}
	if _, err := m.Layer("text/html"); !errors.Is(err, oci.ErrLayer) {
		t.Errorf("a layer that is not there: %v", err)
	}
	layer, err := m.Layer(oci.HelmLayer)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := r.Copy(t.Context(), layer, store, "chart.tgz")
	if err != nil || tree.Digest() != ocitest.DigestOf(chart) || tree.Size() != int64(len(chart)) {
		t.Fatalf("the copy is %v, %v", tree, err)
	}
	if _, err := (oci.Manifest{}).Layer(""); !errors.Is(err, oci.ErrLayer) {
		t.Errorf("a manifest without layers: %v", err)
	}
}

func TestTags(t *testing.T) {
	registry := newRegistry(t)
	registry.PageSize(3)
	var want []string
	for _, tag := range strings.Fields("a b c d e f g h") {
		registry.PushFiles(apps, tag, nil)
		want = append(want, tag)
	}
	got, err := open(t, registry.URL(apps), oci.Options{}).Tags(t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := open(t, registry.URL("team/other"), oci.Options{}).Tags(t.Context()); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("a repository that is not there: %v", err)
	}
}

func TestEndlessPages(t *testing.T) {
	registry := newRegistry(t)
	registry.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		w.Header().Set("Link", "<"+req.URL.Path+`>; rel="next"`)
		_, _ = w.Write([]byte(`{"tags":["a"]}`))
		return true
	})
	_, err := open(t, registry.URL(apps), oci.Options{}).Tags(t.Context())
	if !errors.Is(err, oci.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestPagesOfAnotherHost(t *testing.T) {
	registry, other := newRegistry(t), newRegistry(t)
	registry.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		w.Header().Set("Link", "<"+other.Server().URL+req.URL.Path+`>; rel="next"`)
		_, _ = w.Write([]byte(`{"tags":["a"]}`))
		return true
	})
	if _, err := open(t, registry.URL(apps), oci.Options{}).Tags(t.Context()); err == nil {
		t.Error("the pages of another host were read")
	}
	if asked := other.Requests(); len(asked) > 0 {
		t.Errorf("the other host was asked for %v", asked)
	}
}

func TestParseName(t *testing.T) {
	tests := map[string]struct {
		url  string
		want string // empty for an error
	}{
		"host":                {"oci://ghcr.example/team/apps", "ghcr.example/team/apps"},
		"port":                {"oci://localhost:5000/apps", "localhost:5000/apps"},
		"IPv4":                {"oci://10.0.0.1:5000/a/b", "10.0.0.1:5000/a/b"},
		"IPv6":                {"oci://[fd00::1]:5000/a", "[fd00::1]:5000/a"},
		"Docker Hub":          {"oci://team/apps", "docker.io/team/apps"},
		"Docker Hub, library": {"oci://nginx", "docker.io/library/nginx"},
		"Docker Hub, alias":   {"oci://index.docker.io/team/apps", "docker.io/team/apps"},
		"no scheme":           {"ghcr.example/team/apps", "ghcr.example/team/apps"},
		"another scheme":      {"https://ghcr.example/team/apps", ""},
		"a tag":               {"oci://ghcr.example/team/apps:v1", ""},
		"a digest":            {"oci://ghcr.example/apps@sha256:abc", ""},
		"credentials":         {"oci://user:password@ghcr.example/apps", ""},
		"capitals":            {"oci://ghcr.example/Apps", ""},
		"parents":             {"oci://ghcr.example/../apps", ""},
		"no repository":       {"oci://ghcr.example/", ""},
		"only a host":         {"oci://localhost:5000", ""},
		"empty":               {"oci://", ""},
		"a query":             {"oci://ghcr.example/apps?x=y", ""},
		"spaces":              {"oci://ghcr .example/apps", ""},
		"too long":            {"oci://ghcr.example/" + strings.Repeat("a", 256), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := oci.ParseName(test.url)
			switch {
			case test.want == "" && !errors.Is(err, oci.ErrURL):
				t.Errorf("got %v, %v", got, err)
			case test.want != "" && (err != nil || got.String() != test.want):
				t.Errorf("got %v, %v, want %s", got, err, test.want)
			case err != nil && strings.Contains(err.Error(), "password"):
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
}

// soon returns a context that ends before a test gets boring.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
