package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// The token of a ServiceAccount that the cluster issues is what a cloud is asked
// with, and what the cloud gives in return is for its own Git service alone.
func TestCloudIdentity(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, "{"+ownLabel+": "+namespaceOf(t)+"}", nil)
	logins, tunnels := make(chan string, 100), make(chan string, 100)
	// The world behind the proxy is one server: it logs in, and leads nowhere else.
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			tunnels <- r.Host
			http.Error(rw, "no way", http.StatusForbidden)
			return
		}
		logins <- r.Host + r.URL.Path + " " + r.PostFormValue("client_id") + " " + claims(r.PostFormValue("client_assertion"))
		fmt.Fprint(rw, `{"access_token":"c10ud-t0ken","expires_in":3600,"token_type":"Bearer"}`)
	}))
	t.Cleanup(proxy.Close)
	w.authority("AZURE_AUTHORITY_HOST=http://login.test/")
	w.create(`apiVersion: v1
kind: ServiceAccount
metadata:
  name: reader
  namespace: NS
  annotations: {azure.workload.identity/tenant-id: our-tenant, azure.workload.identity/client-id: our-app}
---
apiVersion: v1
kind: Secret
metadata: {name: proxy, namespace: NS}
stringData: {address: "` + proxy.URL + `"}
`)
	w.source("repo", "url: https://org@dev.azure.com/org/project/_git/repo", "provider: azure", "serviceAccountName: reader", "proxySecretRef: {name: proxy}")
	want := w.expand("login.test/our-tenant/oauth2/v2.0/token our-app system:serviceaccount:NS:reader for api://AzureADTokenExchange")
	if got := <-logins; got != want {
		t.Errorf("logged in %s, want %s", got, want)
	}
	if got := <-tunnels; got != "dev.azure.com:443" {
		t.Errorf("a way to %s was asked for", got)
	}
	obj := w.wait(api.GitRepositoryGVR, "repo", harness.Failed(api.ReasonGitOperationFailed))
	if _, message := condition(obj, api.ConditionReady); strings.Contains(message, "c10ud-t0ken") {
		t.Errorf("the message shows the token: %s", message)
	}

	w.source("elsewhere", "url: https://evil.example.com/repo", "provider: azure", "serviceAccountName: reader", "proxySecretRef: {name: proxy}")
	w.wait(api.GitRepositoryGVR, "elsewhere", harness.Failed(api.ReasonAuthenticationFailed))
	for len(tunnels) > 0 {
		if got := <-tunnels; got != "dev.azure.com:443" {
			t.Errorf("a way to %s was asked for", got)
		}
	}
}

// claims returns who a token is of, and what for. It trusts the token.
func claims(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "not a token"
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err.Error()
	}
	var claims struct {
		Sub string
		Aud []string
	}
	if err := json.Unmarshal(data, &claims); err != nil {
		return err.Error()
	}
	return claims.Sub + " for " + strings.Join(claims.Aud, ",")
}

// authority starts a daemon that may use the identities of ServiceAccounts, with an
// environment of its own.
func (w *world) authority(env ...string) {
	w.t.Helper()
	d, err := harness.StartWith(env, binary, credentials, append(flags(),
		"--watch-label-selector="+ownLabel+"="+w.namespace, "--feature-gates=ObjectLevelWorkloadIdentity=true")...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			w.t.Error(err)
		}
	})
	if err := d.Ready(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}
