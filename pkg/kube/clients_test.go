package kube

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type refuses struct{}

func (refuses) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("the default transport was used")
}

// A kubeconfig without TLS settings, as for kubectl proxy.
func TestPlainServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + path.Base(req.URL.Path) + `"}}`))
	}))
	defer server.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	content := strings.NewReplacer("SERVER", server.URL).Replace(`{"apiVersion": "v1", "kind": "Config", "current-context": "a",
"clusters": [{"name": "a", "cluster": {"server": "SERVER"}}], "contexts": [{"name": "a", "context": {"cluster": "a"}}]}`)
	if err := os.WriteFile(kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	standard := http.DefaultTransport
	http.DefaultTransport = refuses{}
	defer func() { http.DefaultTransport = standard }()

	config, err := Load(kubeconfig, "test")
	if err != nil {
		t.Fatal(err)
	}
	clients, err := NewClients(config, runtime.NewScheme())
	if err != nil {
		t.Fatal(err)
	}
	namespaces := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	got, err := clients.Dynamic.Resource(namespaces).Get(t.Context(), "x", metav1.GetOptions{})
	if err != nil || got.GetName() != "x" {
		t.Errorf("got %v, error %v", got, err)
	}
}
