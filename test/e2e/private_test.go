package e2e

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

func TestSSH(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	s := w.serveSSH()
	w.secret("login", map[string]string{"identity": string(s.Identity), "known_hosts": string(s.KnownHosts)})
	w.source("repo", "secretRef: {name: login}\nurl: "+s.RepoURL(w.repo))
	w.kustomization("app", "./app")
	w.ready("app")
	commit := w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	equal(t, "value", "2", field(w.get(harness.ConfigMaps, "config"), "data", "key"))
}

// A server with a certificate of an authority of its own that asks for a password.
// First the authority is not known, then the password is wrong.
func TestPrivateHTTPS(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	plain := w.serve("127.0.0.1:0")
	plain.RequireAuth("robot", "right-word")
	address, err := url.Parse(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(address))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that have to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})

	w.secret("login", map[string]string{"username": "robot", "password": "wrong-word"})
	w.source("repo", "secretRef: {name: login}\nurl: "+s.URL+"/"+w.repo.Name)
	w.kustomization("app", "./app")
	says := func(part string) is {
		return func(obj *unstructured.Unstructured) bool {
			_, message := condition(obj, "Ready")
			return strings.Contains(message, part)
		}
	}
	w.wait(harness.Sources, "repo", all(harness.Failed("GitOperationFailed"), says("certificate")))
	w.patch(secrets, "login", map[string]any{"stringData": map[string]any{"ca.crt": string(authority)}})
	w.wait(harness.Sources, "repo", all(harness.Failed("AuthenticationFailed"), not(says("-word"))))
	w.patch(secrets, "login", map[string]any{"stringData": map[string]any{"password": "right-word"}})
	w.ready("app")
}

// A redirect to another host is followed without the credentials, which are not for
// that host.
func TestRedirectToAnotherHost(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	other, front := w.serve("127.0.0.1:0"), w.serve("127.0.0.1:0")
	var told atomic.Bool
	other.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Authorization") != "" {
				told.Store(true)
			}
			next.ServeHTTP(rw, req)
		})
	})
	other.RequireAuth("robot", "right-word")
	front.Wrap(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			http.Redirect(rw, req, other.URL+req.URL.RequestURI(), http.StatusFound)
		})
	})
	w.secret("login", map[string]string{"username": "robot", "password": "right-word"})
	w.source("repo", "secretRef: {name: login}\nurl: "+front.RepoURL(w.repo))
	w.kustomization("app", "./app")
	w.wait(harness.Sources, "repo", harness.Failed("AuthenticationFailed"))
	other.RequireAuth("", "") // a public repository that has moved
	w.ready("app")
	if told.Load() {
		t.Error("another host was sent the credentials")
	}
}
