package clients

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/program"
)

var (
	pods  = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodes = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
)

// startKubelet plays the part of the kubelet of the node that the Pod of fluxd runs on,
// as far as logs go: what the API server is asked for as the logs of the Pod is what
// the daemon of this test has logged. It returns the name of the Pod.
func startKubelet(t *testing.T) (pod string) {
	t.Helper()
	list, err := shared.Cluster.Dynamic.Resource(pods).Namespace(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=fluxd"})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("there are %d Pods of fluxd: %v", len(list.Items), err)
	}
	pod = list.Items[0].GetName()
	node := world.Field(&list.Items[0], "spec", "nodeName")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/containerLogs/"+namespace+"/"+pod+"/manager" {
			http.NotFound(w, r)
			return
		}
		sendLog(w, r)
	}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	host, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	// The simulated nodes have no host name, which is where the API server connects to.
	patch := fmt.Sprintf(`{"status":{"addresses":[{"type":"Hostname","address":%q}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%s}}}}`, host, port)
	if _, err := shared.Cluster.Dynamic.Resource(nodes).Patch(t.Context(), node, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		undo := []byte(`{"status":{"addresses":null,"daemonEndpoints":null}}`)
		_, _ = shared.Cluster.Dynamic.Resource(nodes).Patch(context.Background(), node, types.MergePatchType, undo, metav1.PatchOptions{}, "status") // nobody else reads logs
	})
	return pod
}

// following is told of each request for what comes later, once it is known from where.
var following = make(chan struct{}, 8)

// sendLog answers a request for the log: all of it or its tail, and what comes later if
// it is to be followed.
func sendLog(w http.ResponseWriter, r *http.Request) {
	lines := shared.Daemon.Logs()
	sent := 0
	if tail, err := strconv.Atoi(r.URL.Query().Get("tailLines")); err == nil {
		sent = max(0, len(lines)-tail)
	}
	follow := r.URL.Query().Get("follow") == "true"
	if follow {
		following <- struct{}{}
	}
	_ = program.Poll(r.Context(), func(context.Context) error { // ends with the request
		lines = shared.Daemon.Logs()
		for ; sent < len(lines); sent++ {
			_, _ = fmt.Fprintln(w, lines[sent]) // who does not read ends the request
		}
		w.(http.Flusher).Flush()
		if follow {
			return errors.New("there may be more")
		}
		return nil
	})
}

// The log of the daemon is read through the API server, as that of its Pod.
func TestLogs(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	pod := startKubelet(t)
	w.git("repo")
	w.kustomization("app", "repo", "./app")
	w.kustomization("none", "repo", "./none")
	w.Wait(kustomizations, "app", ready)
	w.Wait(kustomizations, "none", saysReady("path not found"))
	if err := shared.Daemon.Logged(t.Context(), `"namespace":"`+w.Namespace+`"`, `"level":"error"`); err != nil {
		t.Fatal(err)
	}

	raw := w.Kubectl("-n", namespace, "logs", pod, "-c", "manager")
	for line := range strings.Lines(raw) {
		if !strings.HasPrefix(line, `{"level":"`) || len(line) >= 64<<10 {
			t.Errorf("a line of the log: %.200s", line)
		}
	}
	every := w.flux("logs", "--all-namespaces", "--flux-namespace="+namespace)
	lacks(t, every, "✗", "parse error")
	if shown, logged := strings.Count(every, "\n"), strings.Count(raw, "\n"); shown < logged {
		t.Errorf("%d of %d lines are shown:\n%s", shown, logged, every)
	}

	own := w.flux("logs", "--flux-namespace="+namespace)
	says(t, own, "info Kustomization/app."+w.Namespace+" - ")
	says(t, own, "info GitRepository/repo."+w.Namespace+" - ")
	errors := w.flux("logs", "--flux-namespace="+namespace, "--level=error", "--kind=Kustomization", "--name=none")
	says(t, errors, "error Kustomization/none."+w.Namespace+" - ", "path not found")
	lacks(t, errors, "info", "Kustomization/app", "GitRepository")
	tail := w.flux("logs", "--all-namespaces", "--flux-namespace="+namespace, "--tail=3")
	if n := strings.Count(tail, "\n"); n != 3 {
		t.Errorf("%d lines of three:\n%s", n, tail)
	}
	followed := w.watch("logs", "--flux-namespace="+namespace, "--follow", "--tail=0", "--kind=GitRepository")
	select {
	case <-following:
	case <-time.After(patience):
		t.Fatal("nobody asks for what comes later")
	}
	revision := w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.Request(harness.Sources, "repo")
	followed.until("info GitRepository/repo."+w.Namespace+" - ", "stored artifact for")
	w.Wait(kustomizations, "app", harness.Field(revision, "status", "lastAppliedRevision"))
	says(t, w.refused("logs", "--flux-namespace="+w.Namespace), "✗ no Flux pods found in namespace \""+w.Namespace+"\"")
}
