package e2e

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/explain"
	"github.com/fluxd/fluxd/test/harness"
)

// view runs one of the commands that look at an object, and returns what it prints.
func (w *world) view(command, subject string, args ...string) string {
	w.t.Helper()
	args = append([]string{command, subject, "--namespace=" + w.namespace, "--kubeconfig=" + credentials}, args...)
	cmd := exec.CommandContext(w.t.Context(), binary, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatal(err, errs.String())
	}
	return w.short(string(out))
}

// explained returns what the shared daemon says of an object to fluxd explain.
func (w *world) explained(subject string) string {
	w.t.Helper()
	return w.view("explain", subject, "--server="+apiURL)
}

// explainedTo returns the answer of the shared daemon to a caller.
func (w *world) explainedTo(token, subject string) (status int, text string) {
	w.t.Helper()
	kind, name, _ := strings.Cut(subject, "/")
	return w.call(token, explain.URLPath+kind+"/"+w.namespace+"/"+name, nil)
}

// A chain of Kustomizations waits for a source that nobody has made. Everybody is told of
// that one, as far as they may know of it, and once it is there of nothing any more.
func TestExplain(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "base/config.yaml": configMap("base", "1"), "base/web.yaml": deployment("web", "")})
	w.kustomization("app", "./app", "dependsOn: [{name: base}]")
	w.kustomization("base", "./base", "wait: true")
	w.wait(harness.Kustomized, "base", harness.Failed("ArtifactFailed"))
	w.wait(harness.Kustomized, "app", harness.Failed("ArtifactFailed"))

	const root = "source GitRepository/NS/repo (spec.sourceRef) does not exist\n"
	text := w.explained("ks/base")
	contains(t, "the missing source", text, "Kustomization/NS/base is not ready: GitRepository 'NS/repo' not found\n  ↳ its "+root)
	contains(t, "what the process knows", text, "process     rests since ")
	contains(t, "what wakes it", text, "its annotation reconcile.fluxcd.io/requestedAt, GitRepository/NS/repo\n")
	status := w.view("explain", "ks/base", "--status-only")
	contains(t, "the missing source, from status", status, "↳ its "+root)
	contains(t, "why from status", status, "The daemon was not asked: --status-only was given.")
	if strings.Contains(status, "process ") {
		t.Errorf("a process is told of that was not asked: %s", status)
	}

	// A source that has nothing: the dependency has it at the root as well.
	w.source("repo", "ref: {branch: nothing}")
	w.wait(harness.Sources, "repo", harness.Failed("GitOperationFailed"))
	contains(t, "a source that fails", w.explained("ks/app"), "↳ its source GitRepository/NS/repo (spec.sourceRef) is not ready: ")
	contains(t, "its backoff", w.explained("gitrepo/repo"), "failed runs in a row: ")
	w.patch(harness.Sources, "repo", spec(map[string]any{"ref": map[string]any{"branch": "main"}}))
	w.ready("base", "app")
	text = w.explained("ks/app")
	contains(t, "when all is well", text, "Kustomization/NS/app is ready at main@sha1:")
	contains(t, "its source", text, "source      GitRepository/NS/repo is ready at main@sha1:")
	contains(t, "where the bytes are", text, ", in memory\n")

	// A dependency that is suspended halfway is the last cause of all behind it.
	w.suspend("base")
	w.commit(files{"app/config.yaml": configMap("config", "2"), "base/config.yaml": configMap("base", "2")})
	w.request(harness.Sources, "repo")
	w.wait(harness.Kustomized, "app", harness.Failed("DependencyNotReady"))
	contains(t, "a chain", w.explained("ks/app"),
		"↳ its dependency Kustomization/NS/base (spec.dependsOn[0]) is suspended, so that nothing is done for it until spec.suspend is false\n")

	const kustomizations = "kustomizations.kustomize.toolkit.fluxcd.io"
	viewer := w.caller("viewer", "get "+kustomizations+" app")
	for what, c := range map[string]struct {
		token, subject string
		status         int
		says           string
	}{
		"without a token":     {"", "ks/app", 401, "a valid bearer token of the cluster is needed"},
		"somebody else's":     {viewer, "ks/base", 403, `may not get kustomizations.kustomize.toolkit.fluxcd.io "base"`},
		"what there is not":   {viewer, "ks/nothing", 403, `may not get kustomizations.kustomize.toolkit.fluxcd.io "nothing"`},
		"one's own":           {viewer, "ks/app", 200, "Kustomization/NS/app is not ready: "},
		"what is behind it":   {viewer, "ks/app", 200, "↳ its dependency Kustomization/NS/base (spec.dependsOn[0]) you may not see this\n"},
		"and its source":      {viewer, "ks/app", 200, "source      GitRepository/NS/repo you may not see this\n"},
		"no kind of ours":     {viewer, "secrets/app", 400, `"secrets" is not a kind of fluxd`},
		"everything else too": {viewer, "gitrepositories/repo", 403, "may not get gitrepositories"},
	} {
		status, text := w.explainedTo(c.token, c.subject)
		if status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s, want %d %s", what, status, text, c.status, c.says)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(viewer), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, "with a token of a file", w.view("explain", "ks/app", "--server="+apiURL, "--token-file="+file), "you may not see this")
}

// The daemon is found through the API server, which hands on a token only in a header that
// is not its own.
func TestExplainThroughTheAPIServer(t *testing.T) {
	w := newWorld(t, nil)
	w.kustomization("app", "./app")
	w.wait(harness.Kustomized, "app", harness.Failed("ArtifactFailed"))
	host, port := w.publish(strings.TrimPrefix(apiURL, "http://"))
	// A Pod that nobody runs, whose address is this machine's.
	w.create(`apiVersion: v1
kind: Pod
metadata: {name: fluxd, namespace: NS, labels: {app.kubernetes.io/name: fluxd}}
spec: {schedulerName: nobody, containers: [{name: manager, image: example.com/fluxd:1}]}`)
	w.kubectl("patch", "pod", "fluxd", "--subresource=status", "--type=merge",
		`--patch={"status":{"phase":"Running","podIP":"`+host+`","podIPs":[{"ip":"`+host+`"}]}}`)
	text := w.view("explain", "ks/app", "--runtime-namespace="+w.namespace, "--port="+port)
	contains(t, "what the daemon says", text, "Kustomization/NS/app is not ready: GitRepository 'NS/repo' not found\n  ↳ its source ")
	contains(t, "what only the daemon knows", text, "  process     rests since ")
}

// publish forwards an address of this machine that others could reach to a local one.
func (w *world) publish(local string) (host, port string) {
	w.t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			host = ip.IP.String()
		}
	}
	if host == "" {
		w.t.Skip("this machine has no address but loopback, to which the API server is no proxy")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		w.t.Fatal(err)
	}
	target := &url.URL{Scheme: "http", Host: local}
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(target), ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(l) }()
	w.t.Cleanup(func() { _ = server.Close() })
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	return host, port
}

// What an application consists of, and where a part of it comes from.
func TestTreeAndTrace(t *testing.T) {
	w := newWorld(t, files{"app/web.yaml": deployment("web", ""), "app/config.yaml": configMap("config", "1")})
	child := w.kustomizationManifest("app", "./app", "wait: true")
	commit := w.commit(files{"root/app.yaml": child})
	w.source("repo")
	w.kustomization("root", "./root", "wait: true")
	w.ready("root", "app")
	at := "main@sha1:" + commit
	equal(t, "tree", "Kustomization/NS/root  "+at+", Ready\n"+
		"└── Kustomization/NS/app  "+at+", Ready\n"+
		"    ├── ConfigMap/NS/config  Current\n"+
		"    └── Deployment/NS/web  Current\n", w.view("tree", "ks/root"))

	up := "  source      GitRepository/NS/repo  of " + w.short(gits.RepoURL(w.repo)) + " at " + at + ", Ready\n"
	path := "  applied by  Kustomization/NS/app  of ./app at " + at + ", Ready\n" + up +
		"  applied by  Kustomization/NS/root  of ./root at " + at + ", Ready; nobody of Flux applied it\n" + up
	equal(t, "trace", "Deployment/NS/web  Current\n"+path, w.view("trace", "deployment/web"))
	pod := strings.TrimPrefix(strings.Fields(w.kubectl("get", "pods", "--output=name"))[0], "pod/")
	contains(t, "trace of a Pod", w.view("trace", "pod/"+pod), "  made by     Deployment/NS/web  Current\n"+path)
}
