package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/door"
)

// apiServer has one Kustomization and one Pod of fluxd, and proxies to that.
type apiServer struct {
	t   *testing.T
	pod http.Handler // nil: the API server does not let anybody pass
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	const proxy = "/api/v1/namespaces/flux-system/pods/fluxd-0:9292/proxy"
	answer := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
	switch path := req.URL.Path; {
	case path == "/api/v1/namespaces/flux-system/pods":
		answer(200, `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"fluxd-0"}}]}`)
	case strings.HasPrefix(path, proxy) && s.pod != nil:
		req.Header.Del("Authorization") // as the API server does
		req.URL.Path = strings.TrimPrefix(path, proxy)
		s.pod.ServeHTTP(w, req)
	case strings.HasPrefix(path, proxy):
		answer(403, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"pods/proxy is forbidden","code":403}`)
	case path == "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/app":
		answer(200, `{"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{"name":"app","namespace":"flux-system","generation":1},
			"spec":{"suspend":true,"interval":"10m"}}`)
	default:
		answer(404, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	}
}

// run runs a command against s.
func (s *apiServer) run(args ...string) (out string, err error) {
	s.t.Helper()
	server := httptest.NewTLSServer(s) // a token is sent to no other
	defer server.Close()
	config := filepath.Join(s.t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}], users: [{name: u, user: {token: ann}}]}`, server.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	root := newRoot()
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&b)
	root.SetArgs(append(args, "--kubeconfig="+config))
	err = root.ExecuteContext(s.t.Context())
	return b.String(), err
}

// The daemon is asked through the API server with the token of the kubeconfig, in the
// header that comes through.
func TestExplainThroughAPod(t *testing.T) {
	s := &apiServer{t: t, pod: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/api/v1/explain/kustomization/flux-system/app" || req.Header.Get(door.HeaderToken) != "ann" {
			http.Error(w, "asked for "+req.URL.Path, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("what the daemon says\n"))
	})}
	out, err := s.run("explain", "ks/app")
	if out != "what the daemon says\n" || err != nil {
		t.Errorf("%v %s", err, out)
	}
	s.pod = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "forbidden: you may not get it", http.StatusForbidden)
	})
	if out, err := s.run("explain", "ks/app"); err == nil || !strings.Contains(err.Error(), "you may not get it") || out != "" {
		t.Errorf("refused: %v %s", err, out)
	}
}

// Without a daemon the status tells, and it is said why.
func TestExplainWithoutADaemon(t *testing.T) {
	s := &apiServer{t: t}
	const root = "Kustomization/flux-system/app is suspended"
	for what, c := range map[string]struct {
		args []string
		says string
	}{
		"forbidden":      {nil, "The daemon was not asked: the Pod fluxd-0: 403 Forbidden"},
		"nowhere":        {[]string{"--server=http://127.0.0.1:1"}, "The daemon was not asked: Get \"http://127.0.0.1:1/api/v1/explain/kustomization/flux-system/app\""},
		"no Pods":        {[]string{"--runtime-namespace=other"}, "The daemon was not asked: list the Pods"},
		"not wanted":     {[]string{"--status-only"}, "The daemon was not asked: --status-only was given"},
		"without a file": {[]string{"--token-file=/nowhere"}, "The daemon was not asked: open /nowhere"},
	} {
		out, err := s.run(append([]string{"explain", "ks/app"}, c.args...)...)
		if err != nil || !strings.Contains(out, c.says) || !strings.Contains(out, root) {
			t.Errorf("%s: %v %s", what, err, out)
		}
	}
}

func TestViewsRefuseBadArguments(t *testing.T) {
	s := &apiServer{t: t}
	for says, args := range map[string][]string{
		"accepts 1 arg(s), received 0":                   {"explain"},
		`"app" is neither KIND/NAME nor KIND/NAMESPACE`:  {"tree", "app"},
		"Kustomization/flux-system/other does not exist": {"tree", "ks/other"},
		"HelmRelease/flux-system/other does not exist":   {"trace", "hr/other"},
		`unknown flag: --nonsense`:                       {"trace", "ks/app", "--nonsense"},
	} {
		if _, err := s.run(args...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %s", args, err, says)
		}
	}
}
