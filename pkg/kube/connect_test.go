package kube

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxd/fluxd/pkg/api/scheme"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

const kubeconfig = `{"apiVersion":"v1","kind":"Config","current-context":"it","clusters":[{"name":"it","cluster":{"server":"https://cluster.test"}}],
"users":[{"name":"it","user":{"token":"t"}}],"contexts":[{"name":"it","context":{"cluster":"it","user":"it"}}]}`

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ flag, env string }{
		"by the flag":        {path, ""},
		"by the environment": {"", path},
		"the flag first":     {path, "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", test.env)
			config, err := Load(test.flag, "fluxd/test")
			if err != nil {
				t.Fatal(err)
			}
			if config.Host != "https://cluster.test" || config.UserAgent != "fluxd/test" || config.QPS >= 0 {
				t.Errorf("host %s, agent %s, %f requests per second", config.Host, config.UserAgent, config.QPS)
			}
		})
	}
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := Load(filepath.Join(t.TempDir(), "none"), "fluxd/test"); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func TestClients(t *testing.T) {
	if _, err := NewClients(&rest.Config{Host: "http://cluster.test", TLSClientConfig: rest.TLSClientConfig{CAFile: "/nowhere"}}, scheme.New()); err == nil {
		t.Error("a certificate that cannot be read is no error")
	}
	s := newServer()
	c := s.clients(t)
	if n := len(s.sent()); n != 0 {
		t.Errorf("%d requests to set up the connections", n)
	}
	config := c.Config()
	config.Host = "changed"
	if c.Config().Host != "http://cluster.test" {
		t.Error("the configuration is shared")
	}
	paths := map[string]schema.GroupVersion{
		"/apis/example.com/v1/things": {Group: "example.com", Version: "v1"},
		"/api/v1/things":              {Version: "v1"},
		"/things":                     {},
	}
	for want, gv := range paths {
		client, err := c.rest(gv)
		if err != nil {
			t.Fatal(err)
		}
		client.Get().Resource("things").Do(t.Context())
		if got := s.sent()[0].path; got != want {
			t.Errorf("a client for %q asks for %s, want %s", gv, got, want)
		}
	}
}

func TestEventWriter(t *testing.T) {
	s := newServer()
	w, err := NewEventWriter(s.clients(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.CreateEvent(t.Context(), "edge", []byte(`{"metadata":{"name":"it.1"}}`)); err != nil {
		t.Error(err)
	}
	if err := w.PatchEvent(t.Context(), "edge", "it.1", []byte(`{"count":2}`)); err != nil {
		t.Error(err)
	}
	sent := s.sent()
	if sent[0].path != "/api/v1/namespaces/edge/events" || sent[1].path != "/api/v1/namespaces/edge/events/it.1" ||
		sent[1].contentType != "application/merge-patch+json" {
		t.Errorf("sent %+v", sent)
	}
}
