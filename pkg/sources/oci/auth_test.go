package oci_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
	"github.com/fluxd/fluxd/pkg/transport"
)

const password = "s3cr3t/Passw0rd"

func login(r *ocitest.Registry, user string) oci.Keychain {
	return oci.Static(r.Host(), oci.Credential{Username: user, Password: password})
}

func TestCredentials(t *testing.T) {
	identity := func(r *ocitest.Registry, token string) oci.Keychain {
		return oci.Static(r.Host(), oci.Credential{IdentityToken: token})
	}
	tests := map[string]struct {
		require  func(*ocitest.Registry)
		keychain func(*ocitest.Registry) oci.Keychain
		kind     error
	}{
		"anonymous, free":        {func(*ocitest.Registry) {}, func(*ocitest.Registry) oci.Keychain { return nil }, nil},
		"anonymous, token":       {func(r *ocitest.Registry) { r.RequireToken("", "") }, func(*ocitest.Registry) oci.Keychain { return nil }, nil},
		"anonymous, basic":       {func(r *ocitest.Registry) { r.RequireBasic("me", password) }, func(*ocitest.Registry) oci.Keychain { return nil }, oci.ErrAuth},
		"anonymous, not allowed": {func(r *ocitest.Registry) { r.RequireToken("me", password) }, func(*ocitest.Registry) oci.Keychain { return nil }, oci.ErrAuth},
		"basic":                  {func(r *ocitest.Registry) { r.RequireBasic("me", password) }, func(r *ocitest.Registry) oci.Keychain { return login(r, "me") }, nil},
		"basic, wrong":           {func(r *ocitest.Registry) { r.RequireBasic("me", "other") }, func(r *ocitest.Registry) oci.Keychain { return login(r, "me") }, oci.ErrAuth},
		"token":                  {func(r *ocitest.Registry) { r.RequireToken("me", password) }, func(r *ocitest.Registry) oci.Keychain { return login(r, "me") }, nil},
		"token, wrong":           {func(r *ocitest.Registry) { r.RequireToken("me", "other") }, func(r *ocitest.Registry) oci.Keychain { return login(r, "me") }, oci.ErrAuth},
		"identity token":         {func(r *ocitest.Registry) { r.RequireIdentity("refresh") }, func(r *ocitest.Registry) oci.Keychain { return identity(r, "refresh") }, nil},
		"identity token, wrong":  {func(r *ocitest.Registry) { r.RequireIdentity("refresh") }, func(r *ocitest.Registry) oci.Keychain { return identity(r, "not-this-one") }, oci.ErrAuth},
		"of another registry": {func(r *ocitest.Registry) { r.RequireBasic("me", password) },
			func(*ocitest.Registry) oci.Keychain {
				return oci.Static("elsewhere.example", oci.Credential{Username: "me", Password: password})
			}, oci.ErrAuth},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			registry.PushFiles(apps, "latest", map[string]string{"a": "b"})
			test.require(registry)
			r := open(t, registry.URL(apps), oci.Options{Keychain: test.keychain(registry)})
			_, _, err := extract(t.Context(), r, newStore(t), oci.Ref{}, "")
			if !errors.Is(err, test.kind) {
				t.Errorf("got %v, want %v", err, test.kind)
			}
			leaks(t, err, password, "refresh", "not-this-one")
		})
	}
}

// leaks checks that an error shows no secret.
func leaks(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if err != nil && (strings.Contains(err.Error(), s) || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("me:"+s)))) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestTokensAreRemembered(t *testing.T) {
	registry := newRegistry(t)
	sum := registry.PushFiles(apps, "latest", nil)
	registry.RequireToken("me", password)
	tokens := oci.NewTokens()
	resolve := func(user string) error {
		r := open(t, registry.URL(apps), oci.Options{Keychain: login(registry, user), Tokens: tokens})
		v, err := r.Resolve(t.Context(), oci.Ref{})
		if err == nil && v.Digest != sum {
			t.Errorf("got %s", v.Digest)
		}
		return err
	}
	head := "HEAD /v2/team/apps/manifests/latest"
	steps := []struct {
		name string
		do   func() error
		want []string
	}{
		{"the first time", func() error { return resolve("me") }, []string{head, "GET /token", head}},
		{"again", func() error { return resolve("me") }, []string{head}},
		{"after they were revoked", func() error { registry.RevokeTokens(); return resolve("me") }, []string{head, "GET /token", head}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(step.name, err)
		}
		if diff := cmp.Diff(step.want, registry.Requests()); diff != "" {
			t.Error(step.name, diff)
		}
	}
	if err := resolve("somebody-else"); !errors.Is(err, oci.ErrAuth) {
		t.Errorf("another user got in with the token: %v", err)
	}
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	registry, storage := newRegistry(t), newRegistry(t)
	registry.PushFiles(apps, "latest", map[string]string{"a": "b"})
	registry.RequireBasic("me", password)
	storage.Copy(registry)
	registry.RedirectBlobs(storage)
	seen := ""
	storage.Intercept(func(_ http.ResponseWriter, req *http.Request) bool {
		seen += req.Header.Get("Authorization") + req.Header.Get("Referer") + req.Header.Get("Cookie")
		return false
	})
	r := open(t, registry.URL(apps), oci.Options{Keychain: login(registry, "me")})
	if _, tree, err := extract(t.Context(), r, newStore(t), oci.Ref{}, ""); err != nil || tree.Len() != 1 {
		t.Fatal(err)
	}
	if len(storage.Requests()) != 1 || seen != "" {
		t.Errorf("the storage saw %q", seen)
	}

	storage.RequireBasic("me", password) // it asks, and must not get anything
	_, _, err := extract(t.Context(), r, newStore(t), oci.Ref{}, "")
	if !errors.Is(err, oci.ErrAuth) || seen != "" {
		t.Errorf("got %v, and the storage saw %q", err, seen)
	}
	if strings.Contains(err.Error(), "signature=") {
		t.Errorf("the error shows where it was redirected to: %v", err)
	}
}

func TestTokenServices(t *testing.T) {
	other := newRegistry(t)
	caught := ""
	other.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		caught += req.FormValue("refresh_token") + req.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"token":"stolen"}`))
		return true
	})
	redirect := func(w http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path == "/token" {
			http.Redirect(w, req, other.Server().URL+"/token", http.StatusPermanentRedirect)
		}
		return req.URL.Path == "/token"
	}
	tests := map[string]struct {
		prepare    func(*ocitest.Registry)
		credential oci.Credential
	}{
		"redirected with a body": {func(r *ocitest.Registry) { r.RequireIdentity(password); r.Intercept(redirect) }, oci.Credential{IdentityToken: password}},
		"redirected":             {func(r *ocitest.Registry) { r.RequireToken("me", password); r.Intercept(redirect) }, oci.Credential{Username: "me", Password: password}},
		"not a URL":              {func(r *ocitest.Registry) { r.RequireToken("me", password); r.TokensFrom("::") }, oci.Credential{Username: "me", Password: password}},
		"a file":                 {func(r *ocitest.Registry) { r.RequireToken("me", password); r.TokensFrom("file:///etc/passwd") }, oci.Credential{Username: "me", Password: password}},
		"of the cloud": {func(r *ocitest.Registry) {
			r.RequireToken("me", password)
			r.TokensFrom("http://169.254.169.254/token")
		}, oci.Credential{Username: "me", Password: password}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			registry.PushFiles(apps, "latest", nil)
			test.prepare(registry)
			r := open(t, registry.URL(apps), oci.Options{Keychain: oci.Static(registry.Host(), test.credential)})
			_, err := r.Resolve(t.Context(), oci.Ref{})
			if err == nil || caught != "" {
				t.Errorf("got %v, and the other host caught %q", err, caught)
			}
			leaks(t, err, password)
		})
	}
}

func TestTLS(t *testing.T) {
	registry := ocitest.NewTLS()
	t.Cleanup(registry.Close)
	registry.Server().Config.ErrorLog = log.New(io.Discard, "", 0)
	sum := registry.PushFiles(apps, "latest", nil)
	roots := x509.NewCertPool()
	roots.AddCert(registry.Server().Certificate())
	tests := map[string]struct {
		config   *tls.Config
		insecure bool
		ok       bool
	}{
		"the right authority":     {&tls.Config{RootCAs: roots}, false, true},
		"an unknown authority":    {nil, false, false},
		"insecure, trusting":      {&tls.Config{RootCAs: roots}, true, true},
		"insecure, not trusting":  {nil, true, false},
		"insecure, not verifying": {&tls.Config{InsecureSkipVerify: true}, true, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			hosts := transport.NewHosts().Transport(transport.Options{TLS: test.config})
			r, err := oci.Open(registry.URL(apps), oci.Options{Transport: hosts, Insecure: test.insecure})
			if err != nil {
				t.Fatal(err)
			}
			v, err := r.Resolve(t.Context(), oci.Ref{})
			if ok := err == nil && v.Digest == sum; ok != test.ok {
				t.Errorf("got %v, %v", v, err)
			}
		})
	}
}

func TestNoDowngrade(t *testing.T) {
	secure, clear := ocitest.NewTLS(), newRegistry(t)
	t.Cleanup(secure.Close)
	secure.PushFiles(apps, "latest", map[string]string{"a": "b"})
	clear.Copy(secure)
	secure.RedirectBlobs(clear)
	hosts := transport.NewHosts().Transport(transport.Options{TLS: &tls.Config{InsecureSkipVerify: true}})
	r, err := oci.Open(secure.URL(apps), oci.Options{Transport: hosts})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = extract(t.Context(), r, newStore(t), oci.Ref{}, "")
	if !errors.Is(err, transport.ErrDowngrade) || len(clear.Requests()) > 0 {
		t.Errorf("got %v", err)
	}
}

func TestPlainHTTPIsNotSpokenUnasked(t *testing.T) {
	registry := newRegistry(t)
	registry.PushFiles(apps, "latest", nil)
	hosts := transport.NewHosts().Transport(transport.Options{})
	for _, insecure := range []bool{false, true} {
		r, err := oci.Open(registry.URL(apps), oci.Options{Transport: hosts, Insecure: insecure, Keychain: login(registry, "me")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Resolve(t.Context(), oci.Ref{}); (err == nil) != insecure {
			t.Errorf("insecure %v: %v", insecure, err)
		}
	}
}

func TestPlainHTTPIsRemembered(t *testing.T) {
	registry := newRegistry(t)
	registry.PushFiles(apps, "latest", nil)
	tokens, hellos := oci.NewTokens(), 0
	own := transport.NewHosts().Transport(transport.Options{})
	counting := roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Scheme == "https" {
			hellos++
		}
		return own.RoundTrip(req)
	})
	for range 3 {
		r, err := oci.Open(registry.URL(apps), oci.Options{Transport: counting, Insecure: true, Tokens: tokens})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Resolve(t.Context(), oci.Ref{}); err != nil {
			t.Fatal(err)
		}
	}
	if hellos != 1 {
		t.Errorf("TLS was tried %d times", hellos)
	}
}

// roundTripper is a function that is a transport.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestKeychain(t *testing.T) {
	entry := func(password string) string { return fmt.Sprintf(`{"username":"me","password":%q}`, password) }
	auth := base64.StdEncoding.EncodeToString([]byte("me:of:auth\n"))
	config := `{"auths":{
		"https://index.docker.io/v1/": ` + entry("hub") + `,
		"registry.example": ` + entry("host") + `,
		"registry.example/team": ` + entry("team") + `,
		"registry.example/team/apps": ` + entry("apps") + `,
		"http://registry.example:5000/v2/": ` + entry("port") + `,
		"*.wild.example": ` + entry("wild") + `,
		"exact.wild.example": ` + entry("exact") + `,
		"auth.example": {"auth":"` + auth + `"},
		"identity.example": {"identitytoken":"it"}
	}}`
	keychain, err := oci.ParsePullSecret(map[string][]byte{".dockerconfigjson": []byte(config)})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"registry.example/other":       "host",
		"registry.example/team":        "team",
		"registry.example/team/other":  "team",
		"registry.example/teams/apps":  "host",
		"registry.example/team/apps/x": "apps",
		"registry.example:5000/x":      "port",
		"x.wild.example/a":             "wild",
		"exact.wild.example/a":         "exact",
		"a.b.wild.example/a":           "",
		"wild.example/a":               "",
		"nginx":                        "hub",
		"team/apps":                    "hub",
		"auth.example/a":               "of:auth",
		"evil-registry.example/a":      "",
		"registry.example.evil/a":      "",
	}
	for url, want := range tests {
		name, err := oci.ParseName(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := keychain.For(name).Password; got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
	if keychain.For(oci.Name{Registry: "identity.example", Path: "x"}).IdentityToken != "it" {
		t.Error("there is no identity token")
	}
	if !keychain.Has("registry.example") || keychain.Has("x.wild.example") {
		t.Error("Has is wrong")
	}
}

func TestPullSecrets(t *testing.T) {
	tests := map[string]struct {
		data map[string][]byte
		ok   bool
	}{
		"none":           {map[string][]byte{}, false},
		"another key":    {map[string][]byte{"username": []byte("x")}, false},
		"empty":          {map[string][]byte{".dockerconfigjson": nil}, false},
		"not JSON":       {map[string][]byte{".dockerconfigjson": []byte("{" + password)}, false},
		"a wrong type":   {map[string][]byte{".dockerconfigjson": []byte(`{"auths":["` + password + `"]}`)}, false},
		"not base64":     {map[string][]byte{".dockerconfigjson": []byte(`{"auths":{"a":{"auth":"` + password + `!"}}}`)}, false},
		"no colon":       {map[string][]byte{".dockerconfigjson": []byte(`{"auths":{"a":{"auth":"bWU="}}}`)}, false},
		"nothing inside": {map[string][]byte{".dockerconfigjson": []byte(`{"auths":{}}`)}, true},
		"older form":     {map[string][]byte{".dockercfg": []byte(`{"a.example":{"auth":"bWU6cHc="}}`)}, true},
		"older, broken":  {map[string][]byte{".dockercfg": []byte(password)}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			keychain, err := oci.ParsePullSecret(test.data)
			if test.ok != (err == nil) || err != nil && !errors.Is(err, oci.ErrConfig) {
				t.Errorf("got %v", err)
			}
			leaks(t, err, password)
			if name == "older form" && keychain.For(oci.Name{Registry: "a.example", Path: "x"}).Password != "pw" {
				t.Errorf("got %v", keychain)
			}
		})
	}
}
