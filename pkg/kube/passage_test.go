package kube

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

func TestRunningPods(t *testing.T) {
	s := newServer()
	s.answer = func(w http.ResponseWriter, req *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		if req.URL.Query().Get("fieldSelector") != "status.phase=Running" || req.URL.Query().Get("labelSelector") != "app=a" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = w.Write([]byte(`{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"one"}},{"metadata":{"name":"two"}}]}`))
		return true
	}
	got, err := s.clients(t).RunningPods(t.Context(), "home", "app=a")
	if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// The path and the header come through, and an answer that is too long does not.
func TestThroughPod(t *testing.T) {
	s, size := newServer(), 5
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(strings.Repeat("x", size)))
		return true
	}
	get := func() (int, string, error) {
		res, body, err := s.clients(t).ThroughPod(t.Context(), "home", "one", 9292, "/api/v1/x", http.Header{"A-Header": {"value"}})
		if err != nil {
			return 0, "", err
		}
		return res.StatusCode, string(body), nil
	}
	if status, body, err := get(); status != http.StatusTeapot || body != "xxxxx" || err != nil {
		t.Errorf("%d %s %v", status, body, err)
	}
	sent := s.sent()
	if len(sent) != 1 || sent[0].path != "/api/v1/namespaces/home/pods/one:9292/proxy/api/v1/x" || sent[0].header.Get("A-Header") != "value" {
		t.Errorf("sent %+v", sent)
	}
	size = mostAnswer + 1
	if _, _, err := get(); err == nil {
		t.Error("an endless answer is read")
	}
}

func TestToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-a-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, config := range map[string]*rest.Config{
		"its-own":     {Host: "http://cluster.test", BearerToken: "its-own"},
		"from-a-file": {Host: "http://cluster.test", BearerTokenFile: file},
		"":            {Host: "http://cluster.test", Username: "ann", Password: "secret"},
	} {
		if got, err := Token(t.Context(), config); got != want || err != nil {
			t.Errorf("got %q, want %q, error %v", got, want, err)
		}
	}
}
