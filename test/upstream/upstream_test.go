package upstream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("-short: these tests start servers, which may have to be built for minutes")
		os.Exit(0)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if _, err := Build(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// client trusts the authority of a door.
func client(t *testing.T, d *Door) *http.Client {
	transport := &http.Transport{}
	if d.Authority != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: d.Authority.Pool(), MinVersion: tls.VersionTLS12}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get asks a server through its door and returns the answer.
func get(t *testing.T, c *http.Client, url string, edit func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(req)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func closing(t *testing.T, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRegistry(t *testing.T) {
	artifact, err := FluxArtifact(map[string]string{"a.yaml": "kind: A\n", "b/c.yaml": "kind: C\n"}, map[string]string{"x": "y"})
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]RegistryOptions{
		"plain":           {},
		"TLS":             {Security: Security{TLS: true}},
		"a password":      {Username: "u", Password: "p"},
		"tokens":          {Username: "u", Password: "p", Tokens: true},
		"tokens over TLS": {Security: Security{TLS: true}, Username: "u", Password: "p", Tokens: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := StartRegistry(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			closing(t, r)
			digest, err := r.Push(t.Context(), "apps/web", "1.0.0", artifact)
			if err != nil {
				t.Fatal(err)
			}
			c := client(t, r.Door)
			url := r.URL + "/v2/apps/web/manifests/1.0.0"
			if options.Username != "" {
				if res, _ := get(t, c, url, nil); res.StatusCode != http.StatusUnauthorized {
					t.Errorf("without credentials: %s", res.Status)
				}
			}
			res, body := get(t, c, url, func(req *http.Request) { logIn(t, c, r, req) })
			if got := res.Header.Get("Docker-Content-Digest"); got != digest {
				t.Errorf("digest %q, want %q: %s", got, digest, body)
			}
			if n := r.Count(func(q Request) bool { return q.Status == http.StatusOK && strings.HasSuffix(q.Path, "/1.0.0") }); n != 1 {
				t.Errorf("the door counted %d manifests, want 1: %v", n, r.Requests())
			}
		})
	}
}

// logIn logs in to a registry in the way that it wants.
func logIn(t *testing.T, c *http.Client, r *Registry, req *http.Request) {
	t.Helper()
	req.Header.Set("Accept", MediaManifest)
	switch {
	case r.options.Tokens:
		res, _ := get(t, c, req.URL.String(), nil)
		challenge := res.Header.Get("Www-Authenticate")
		_, realm, _ := strings.Cut(challenge, `realm="`)
		realm, _, _ = strings.Cut(realm, `"`)
		_, scope, _ := strings.Cut(challenge, `scope="`)
		scope, _, _ = strings.Cut(scope, `"`)
		_, body := get(t, c, realm+"?scope="+scope, func(req *http.Request) { req.SetBasicAuth("u", "p") })
		var answer struct{ Token string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err, body)
		}
		req.Header.Set("Authorization", "Bearer "+answer.Token)
	case r.options.Username != "":
		req.SetBasicAuth(r.options.Username, r.options.Password)
	}
}

func TestS3(t *testing.T) {
	s, err := StartS3(t.Context(), S3Options{Security: Security{TLS: true}, AccessKey: "access", SecretKey: "secret", Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	if err := s.MakeBucket(t.Context(), "apps"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 1100 { // more than one page
		key := fmt.Sprintf("folder/%04d.yaml", i)
		if err := s.Put(t.Context(), "apps", key, []byte(key)); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
	}
	if err := s.Remove(t.Context(), "apps", want[0]); err != nil {
		t.Fatal(err)
	}
	got, err := s.List(t.Context(), "apps")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Errorf("keys (-want +got)\n%s", diff)
	}
	content, err := s.Object(t.Context(), "apps", want[7])
	if err != nil || string(content) != want[7] {
		t.Errorf("object: %q, %v", content, err)
	}
	if res, _ := get(t, client(t, s.Door), s.URL+"/apps/"+want[7], nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("without credentials: %s", res.Status)
	}
	s.Forget()
	if _, err := s.Client().List(t.Context(), "apps"); err != nil || len(s.Requests()) != 2 {
		t.Errorf("list through the door: %v, %v", err, s.Requests())
	}
	other := s.Client()
	other.options.SecretKey = "wrong"
	if _, err := other.List(t.Context(), "apps"); err == nil {
		t.Error("a wrong key lists a bucket")
	}
}

func TestDoor(t *testing.T) {
	d, err := newDoor(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }),
		Security{ClientCertificates: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Shut() })
	c := client(t, d)
	if _, err := c.Get(d.URL); err == nil {
		t.Error("no client certificate was demanded")
	}
	cert, key, err := d.Authority.Client("somebody")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{pair}
	get(t, c, d.URL+"/1", nil)
	if err := d.Shut(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(d.URL + "/2"); err == nil {
		t.Error("the door is open after it was shut")
	}
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	get(t, c, d.URL+"/3", nil)
	want := []Request{{Method: "GET", Path: "/1", Status: 200, Bytes: 5}, {Method: "GET", Path: "/3", Status: 200, Bytes: 5}}
	if diff := cmp.Diff(want, d.Requests()); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
	d.Wrap(func(http.Handler) http.Handler { return http.NotFoundHandler() })
	if res, _ := get(t, c, d.URL, nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("wrapped: %s", res.Status)
	}
	d.Wrap(nil)
	d.Forget()
	if left := d.Requests(); len(left) > 0 {
		t.Errorf("requests after Forget: %v", left)
	}
}

func TestProxy(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	plain, err := newDoor(hello, Security{})
	if err != nil {
		t.Fatal(err)
	}
	secure, err := newDoor(hello, Security{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := StartProxy(ProxyOptions{Username: "u", Password: "p", Hosts: map[string]string{"far.test": plain.Host()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(plain.Shut(), secure.Shut(), p.Close()) })
	through := func(user string) *http.Client {
		c := client(t, secure)
		c.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: p.Host(), User: url.UserPassword(user, "p")})
		return c
	}
	if _, body := get(t, through("u"), "http://far.test/a", nil); body != "far.test" {
		t.Errorf("http: %q", body)
	}
	if _, body := get(t, through("u"), secure.URL+"/b", nil); body != secure.Host() {
		t.Errorf("https: %q", body)
	}
	if res, _ := get(t, through("other"), "http://far.test/c", nil); res.StatusCode != http.StatusProxyAuthRequired {
		t.Errorf("somebody else: %s", res.Status)
	}
	if n := plain.Count(func(Request) bool { return true }); n != 1 {
		t.Errorf("%d requests came through, want 1", n)
	}
}

func TestBackendThatEndsIsToldOf(t *testing.T) {
	b, err := newBackend(Security{}, func(next http.Handler) http.Handler { return next })
	if err != nil {
		t.Fatal(err)
	}
	closing(t, b)
	err = b.start(t.Context(), nil, "registry", "serve", "no-such-file")
	if err == nil || !strings.Contains(err.Error(), "no-such-file") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("start: %v", err)
	}
}

func TestAzurite(t *testing.T) {
	a, err := StartAzurite(t.Context(), Security{TLS: true})
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	closing(t, a)
	if err := a.MakeContainer(t.Context(), "apps"); err != nil {
		t.Fatal(err)
	}
	if err := a.Put(t.Context(), "apps", "folder/a.yaml", []byte("kind: A\n")); err != nil {
		t.Fatal(err)
	}
	url := a.Endpoint() + "/apps/folder/a.yaml"
	if res, body := get(t, client(t, a.Door), url+"?"+a.SAS("rl"), nil); body != "kind: A\n" {
		t.Errorf("%s: %s", res.Status, body)
	}
	if res, _ := get(t, client(t, a.Door), url, nil); res.StatusCode < 400 {
		t.Errorf("without credentials: %s", res.Status)
	}
	if res, _ := get(t, client(t, a.Door), url+"?"+strings.Replace(a.SAS("rl"), "sp=rl", "sp=rwl", 1), nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("with a forged signature: %s", res.Status)
	}
}

func TestHelmIndex(t *testing.T) {
	h, err := StartHelmIndex(HelmIndexOptions{Security: Security{TLS: true}, Username: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, h)
	web := Chart{Name: "web", Version: "1.2.3", Files: map[string]string{"templates/a.yaml": "kind: A\n"}}
	const size = 1 << 20
	if err := h.PublishAmong(size, web, Chart{Name: "web", Version: "1.2.2"}, Chart{Name: "api", Version: "0.1.0"}); err != nil {
		t.Fatal(err)
	}
	c, known := client(t, h.Door), func(r *http.Request) { r.SetBasicAuth("u", "p") }
	if res, _ := get(t, c, h.URL+"/index.yaml", nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without credentials: %s", res.Status)
	}
	res, body := get(t, c, h.URL+"/index.yaml", known)
	if len(body) < size || len(body) > size+100_000 {
		t.Errorf("an index of %d bytes, want about %d", len(body), size)
	}
	var index struct {
		Entries map[string][]struct {
			Version string
			URLs    []string
		}
	}
	if err := yaml.UnmarshalStrict([]byte(body), &map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(body), &index); err != nil {
		t.Fatal(err)
	}
	if got := index.Entries["web"]; len(got) != 2 || got[0].Version != "1.2.3" || len(index.Entries["api"]) != 1 || len(index.Entries) < 10 {
		t.Errorf("web: %v of %d charts", got, len(index.Entries))
	}
	packed, err := web.Package()
	if err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, c, h.URL+"/"+index.Entries["web"][0].URLs[0], known); body != string(packed) {
		t.Errorf("chart: got %d bytes, want %d", len(body), len(packed))
	}
	if again, _ := get(t, c, h.URL+"/index.yaml", func(r *http.Request) {
		known(r)
		r.Header.Set("If-None-Match", res.Header.Get("ETag"))
	}); again.StatusCode != http.StatusNotModified {
		t.Errorf("an index that one has: %s", again.Status)
	}
}
