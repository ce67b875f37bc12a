package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/identity"
)

var azureApp = map[string]string{"azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": "client"}

func TestAzureTokens(t *testing.T) {
	certificate := string(selfSigned(t))
	tests := map[string]struct {
		env     map[string]string
		account bool
		host    string
		who     string
	}{
		"a service account": {account: true, host: "login.microsoftonline.com", who: "application tenant/client for " + identity.ScopeStorage},
		"an application with a secret": {
			env:  map[string]string{"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "secret of c"},
			host: "login.microsoftonline.com", who: "application t/c for " + identity.ScopeStorage,
		},
		"an application with a certificate": {
			env: map[string]string{
				"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_CERTIFICATE_PATH": "/cert", "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": "true",
			},
			host: "login.microsoftonline.com", who: "application t/c for " + identity.ScopeStorage,
		},
		"a workload identity": {
			env: map[string]string{
				"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/token",
				"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
			},
			host: "login.microsoftonline.com", who: "application t/c for " + identity.ScopeStorage,
		},
		"the machine":                {host: "169.254.169.254", who: "managed identity  for https://storage.azure.com"},
		"an identity of the machine": {env: map[string]string{"AZURE_CLIENT_ID": "c"}, host: "169.254.169.254", who: "managed identity c for https://storage.azure.com"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.env, w.files = test.env, map[string]string{"/cert": certificate, "/token": w.fake.Issue("the Pod", "api://AzureADTokenExchange")}
			r := identity.Request{Proxy: &url.URL{Scheme: "http", Host: "proxy"}}
			if test.account {
				r = w.account(identity.Azure, azureApp)
			}
			token, err := w.AzureToken(t.Context(), r, identity.ScopeStorage)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.fake.Owner(token.Value); got != test.who || !token.Expires.Equal(now.Add(time.Hour)) {
				t.Errorf("got a token of %q until %s, want %q", got, token.Expires, test.who)
			}
			calls := w.fake.Calls()
			u, err := url.Parse(calls[0].URL)
			if err != nil || u.Host != test.host || len(calls) != 1 {
				t.Errorf("calls %v", calls)
			}
			if u.Scheme == "http" && calls[0].Proxy != "none" {
				t.Errorf("the metadata server was asked through the proxy %q", calls[0].Proxy)
			}
		})
	}
}

func TestAzureRegistry(t *testing.T) {
	w := newWorld(t)
	login, err := w.Registry(t.Context(), w.account(identity.Azure, azureApp), "fleet.azurecr.io/apps/web")
	if err != nil {
		t.Fatal(err)
	}
	if login.Username != "00000000-0000-0000-0000-000000000000" || !login.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v", login)
	}
	if diff := cmp.Diff([]string{"login.microsoftonline.com", "fleet.azurecr.io"}, w.fake.Hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"azurecr.io", "fleet.azurecr.io.evil.example.com", "evil.example.com?.azurecr.io", "docker.io/app", ""} {
		if _, err := w.Registry(t.Context(), w.account(identity.Azure, azureApp), bad); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%q: got %v, want ErrConfig", bad, err)
		}
	}
}

func TestAzureEnvironmentFile(t *testing.T) {
	w := newWorld(t)
	w.env = map[string]string{"AZURE_ENVIRONMENT_FILEPATH": "/env"}
	r := w.account(identity.Azure, azureApp)
	w.files["/env"] = `{"containerRegistryDNSSuffix":"azurecr.stack.local","resourceManagerEndpoint":"https://management.stack.local","tokenAudience":"https://management.stack.local"}`
	// The fake has no such host, but the token for it is asked for.
	if _, err := w.Registry(t.Context(), r, "fleet.azurecr.stack.local/app"); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
	calls := w.fake.Calls()
	if got := calls[0].Form.Get("scope"); got != "https://management.stack.local/.default" {
		t.Errorf("the scope is %s", got)
	}
	if _, err := w.Registry(t.Context(), r, "fleet.elsewhere.local/app"); !errors.Is(err, identity.ErrConfig) {
		t.Errorf("a host with another suffix: got %v", err)
	}
	w.files["/env"] = `{}`
	if _, err := w.Registry(t.Context(), r, "fleet.azurecr.stack.local/app"); !errors.Is(err, identity.ErrConfig) {
		t.Errorf("an empty file: got %v", err)
	}
}

func TestAzureDevOps(t *testing.T) {
	w := newWorld(t)
	u := &url.URL{Scheme: "https", Host: "dev.azure.com", Path: "/org/project/_git/repo"}
	login, err := w.Git(t.Context(), w.account(identity.Azure, azureApp), u)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.fake.Owner(login.BearerToken), "application tenant/client for 499b84ac-1321-427f-aa17-267ca6975798/.default"; got != want {
		t.Errorf("got a token of %q, want %q", got, want)
	}
	if login.Username != "" || login.Password != "" {
		t.Errorf("got %+v", login)
	}
	w.fake.Calls()
	for _, bad := range []string{
		"http://dev.azure.com/org", "https://dev.azure.com.evil.example.com/", "https://evil.example.com/", "https://a.b.visualstudio.com/", "https://dev.azure.com:444/",
	} {
		u, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Git(t.Context(), w.account(identity.Azure, azureApp), u); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", bad, err)
		}
	}
	if hosts := w.fake.Hosts(); len(hosts) > 0 {
		t.Errorf("called %v", hosts)
	}
}

func TestAzureRefuses(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"no annotations":          {},
		"no tenant":               {"azure.workload.identity/client-id": "c"},
		"no client":               {"azure.workload.identity/tenant-id": "t"},
		"a tenant that is a path": {"azure.workload.identity/tenant-id": "../x", "azure.workload.identity/client-id": "c"},
	} {
		w := newWorld(t)
		if _, err := w.AzureToken(t.Context(), w.account(identity.Azure, annotations), identity.ScopeStorage); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", name, err)
		}
	}
}

func TestAzureApp(t *testing.T) {
	w := newWorld(t)
	certificate := selfSigned(t)
	for name, app := range map[string]identity.AzureApp{
		"a secret":      {Tenant: "t", Client: "c", Secret: "secret of c"},
		"a certificate": {Tenant: "t", Client: "c", Certificate: certificate, SendChain: true, Authority: "https://login.microsoftonline.com"},
	} {
		token, err := w.AzureAppToken(t.Context(), identity.Request{}, app, identity.ScopeStorage)
		if err != nil || w.fake.Owner(token.Value) != "application t/c for "+identity.ScopeStorage {
			t.Errorf("%s: %v, token of %q", name, err, w.fake.Owner(token.Value))
		}
	}
	for name, app := range map[string]identity.AzureApp{
		"no proof":           {Tenant: "t", Client: "c"},
		"no key":             {Tenant: "t", Client: "c", Certificate: certificate[:100]},
		"a key of another":   {Tenant: "t", Client: "c", Certificate: append(certificateOnly(certificate), keyOnly(selfSigned(t))...)},
		"a key for ECDSA":    {Tenant: "t", Client: "c", Certificate: ecdsaKey(t)},
		"no TLS":             {Tenant: "t", Client: "c", Secret: "s", Authority: "http://login.microsoftonline.com"},
		"a tenant with path": {Tenant: "t/..", Client: "c", Secret: "s"},
	} {
		if _, err := w.AzureAppToken(t.Context(), identity.Request{}, app, identity.ScopeStorage); !errors.Is(err, identity.ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", name, err)
		}
	}
	_, err := w.AzureAppToken(t.Context(), identity.Request{}, identity.AzureApp{Tenant: "t", Client: "c", Secret: "a wrong one"}, identity.ScopeStorage)
	const want = "get a token of the application c: refused: login.microsoftonline.com answered 401 Unauthorized: invalid_client: AADSTS700213: No match for *****."
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	token, err := w.AzureManaged(t.Context(), identity.Request{}, "mi", identity.ScopeStorage)
	if err != nil || w.fake.Owner(token.Value) != "managed identity mi for https://storage.azure.com" {
		t.Errorf("a managed identity: %v, token of %q", err, w.fake.Owner(token.Value))
	}
}

// selfSigned returns a certificate and its key.
func selfSigned(t *testing.T) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotAfter: now.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})...)
}

func certificateOnly(data []byte) []byte { b, _ := pem.Decode(data); return pem.EncodeToMemory(b) }

func keyOnly(data []byte) []byte {
	_, rest := pem.Decode(data)
	return rest
}

func ecdsaKey(t *testing.T) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
