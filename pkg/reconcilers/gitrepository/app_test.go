package gitrepository_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/identity"
)

// The token of a GitHub App lets one in, and is kept where those of clouds are.
func TestApp(t *testing.T) {
	w := newWorld(t)
	w.clouds = identity.New(identity.Options{CacheSize: 10})
	w.restart()
	w.commit(map[string]string{"a.yaml": "a: 1\n"})
	w.server.RequireAuth("x-access-token", "t0ken-0f-the-app")
	exchanges := 0
	github := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if exchanges++; r.URL.Path != "/app/installations/42/access_tokens" {
			http.NotFound(rw, r)
			return
		}
		fmt.Fprintf(rw, `{"token":"t0ken-0f-the-app","expires_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
	}))
	t.Cleanup(github.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.secrets["ns/app"] = map[string][]byte{
		"githubAppID": []byte("7"), "githubAppInstallationID": []byte("42"), "githubAppBaseURL": []byte(github.URL),
		"githubAppPrivateKey": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}
	o := w.object()
	o.Spec.Provider, o.Spec.SecretRef = v1.GitProviderGitHub, &api.LocalObjectReference{Name: "app"}
	for range 3 {
		w.ready(o)
	}
	if s := w.clouds.Stats(); exchanges != 1 || s.Items != 1 || s.Hits != 2 || s.Successes != 1 {
		t.Errorf("%d exchanges: %+v", exchanges, s)
	}
	w.secrets["ns/app"]["githubAppInstallationID"] = []byte("43")
	if _, err := w.reconcile(o); fault.Reason(err, "") != api.ReasonAuthenticationFailed {
		t.Errorf("another installation: %v", err)
	}
}
