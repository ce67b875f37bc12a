package e2e

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/test/harness"
)

// elsewhere is the user that kubeconfigs in Secrets are of. The cluster that they lead
// to is the same one, where this user has all rights.
const elsewhere = "elsewhere"

// kubeconfig returns the one of elsewhere.
func (w *world) kubeconfig() string {
	w.t.Helper()
	path, err := w.KubeconfigFor(elsewhere)
	if err != nil {
		w.t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(content)
}

// set replaces the kubeconfig in a Secret.
func (w *world) set(secret, kubeconfig string) {
	w.t.Helper()
	w.patch(secrets, secret, map[string]any{"stringData": map[string]any{"value": kubeconfig}})
}

const there = "kubeConfig: {secretRef: {name: there}}"

// A life on another cluster: whatever is written is written with its credentials.
func TestLifeOnAnotherCluster(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "app/other.yaml": configMap("other", "1"), "tenant/mine.yaml": configMap("mine", "1")})
	mark := w.mark()
	w.account("tenant", allVerbs)
	w.secret("there", map[string]string{"value": w.kubeconfig()})
	w.source("repo")
	w.kustomization("app", "./app", there, "wait: true")
	w.ready("app")
	equal(t, "authors", []string{elsewhere}, w.authors(mark))

	before := version(w.get(harness.ConfigMaps, "config"))
	w.patch(harness.ConfigMaps, "other", map[string]any{"data": map[string]any{"key": "edited"}})
	w.reconciled(harness.Kustomized, "app") // nothing is watched there
	w.wait(harness.ConfigMaps, "other", data("key", "1"))
	equal(t, "an object that nobody has touched", before, version(w.get(harness.ConfigMaps, "config")))

	commit := w.commit(files{"app/other.yaml": configMap("another", "1")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	w.wait(harness.ConfigMaps, "other", absent)
	w.delete(harness.Kustomized, "app")
	w.wait(harness.Kustomized, "app", absent)
	w.wait(harness.ConfigMaps, "config", absent)
	equal(t, "authors", []string{elsewhere}, w.authors(mark))

	mark = w.mark()
	w.kustomization("tenant", "./tenant", there, "serviceAccountName: tenant")
	w.ready("tenant")
	equal(t, "authors", []string{elsewhere + " as system:serviceaccount:NS:tenant"}, w.authors(mark))
}

// Each change of the Secret is noticed at once, and each mistake is told without what
// is in it.
func TestKubeconfigs(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	good := w.kubeconfig()
	file, err := clientcmd.Load([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	token := file.AuthInfos[file.Contexts[file.CurrentContext].AuthInfo].Token
	w.source("repo")
	w.kustomization("app", "./app", there)
	failed := func(part string) {
		t.Helper()
		app := w.wait(harness.Kustomized, "app", all(harness.Failed("ReconciliationFailed"), says("failed to build kube client: "), says(part)))
		if _, message := condition(app, "Ready"); strings.Contains(message, token) {
			t.Error("the message has the token")
		}
		if w.get(harness.ConfigMaps, "config") != nil {
			t.Error("it was written all the same")
		}
	}
	failed("unable to read KubeConfig secret '" + w.namespace + "/there' error: ")
	w.secret("there", map[string]string{"other": good})
	failed("does not contain a 'value' key with a kubeconfig")
	w.set("there", token+": [")
	failed("it is not well-formed")
	w.set("there", strings.Replace(good, "token: "+token, "exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/false, interactiveMode: Never}", 1))
	failed("exec, which is refused")
	w.set("there", strings.Replace(good, token, "wrong", 1))
	failed("credentials")
	w.set("there", strings.Replace(good, "certificate-authority-data", "insecure-skip-tls-verify: true\n    ignored", 1))
	failed("certificate")
	w.set("there", good)
	w.ready("app")
}

// A cluster that is away costs those who want it an error, and nobody else anything.
func TestUnreachableCluster(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "here/here.yaml": configMap("here", "1")})
	good := w.kubeconfig()
	file, err := clientcmd.Load([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	server := file.Clusters[file.Contexts[file.CurrentContext].Cluster].Server
	nowhere := strings.Replace(good, server, "https://127.0.0.1:1", 1)
	w.secret("there", map[string]string{"value": nowhere})
	w.source("repo")
	for i := range 8 {
		w.kustomization(fmt.Sprint("app-", i), "./app", there)
	}
	w.kustomization("here", "./here")
	w.ready("here")
	for i := range 8 {
		w.wait(harness.Kustomized, fmt.Sprint("app-", i), all(harness.Failed("ReconciliationFailed"), says("the cluster does not answer")))
	}
	w.set("there", good)
	w.ready("app-0")

	// A deleted object stays until its cluster answers, or until people give up on it.
	w.set("there", nowhere)
	w.wait(harness.Kustomized, "app-0", says("the cluster does not answer"))
	w.delete(harness.Kustomized, "app-0")
	w.wait(harness.Kustomized, "app-0", all(terminating, says("failed to build kube client")))
	w.patch(harness.Kustomized, "app-0", spec(map[string]any{"suspend": true}))
	w.wait(harness.Kustomized, "app-0", absent)
	if w.get(harness.ConfigMaps, "config") == nil {
		t.Error("it was deleted by somebody else")
	}
}

// A server that takes connections and never answers holds up nobody else.
func TestHangingCluster(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "here/here.yaml": configMap("here", "1")})
	hole, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hole.Close() })
	good := w.kubeconfig()
	file, err := clientcmd.Load([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	server := file.Clusters[file.Contexts[file.CurrentContext].Cluster].Server
	w.secret("there", map[string]string{"value": strings.Replace(good, server, "https://"+hole.Addr().String(), 1)})
	w.source("repo")
	for i := range 8 {
		w.kustomization(fmt.Sprint("app-", i), "./app", there)
	}
	w.kustomization("here", "./here")
	w.ready("here")
	for i := range 8 {
		w.waitFor(2*patience, harness.Kustomized, fmt.Sprint("app-", i), all(harness.Failed("ReconciliationFailed"), says("the cluster does not answer")))
	}
	w.set("there", good)
	w.ready("app-0", "app-7")
}

// A token of a service account leads to another cluster that trusts this one.
func TestRemoteClusterByToken(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")}, "--feature-gates=ObjectLevelWorkloadIdentity=true")
	mark := w.mark()
	file, err := clientcmd.Load([]byte(w.kubeconfig()))
	if err != nil {
		t.Fatal(err)
	}
	to := file.Clusters[file.Contexts[file.CurrentContext].Cluster]
	w.account("traveller", allVerbs)
	authority := strings.ReplaceAll(string(to.CertificateAuthorityData), "\n", "\n    ")
	w.create(fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: there, namespace: %s, labels: {reconcile.fluxcd.io/watch: Enabled}}\n"+
		"data:\n  provider: generic\n  address: %s\n  audiences: %s\n  serviceAccountName: traveller\n  ca.crt: |\n    %s\n",
		w.namespace, to.Server, issuer(t, w), authority))
	w.start()
	w.install("kubeConfig: {configMapRef: {name: there}}")
	w.ready("app")
	equal(t, "authors", []string{"system:serviceaccount:NS:traveller"}, w.authors(mark))
}

// issuer returns for whom the API server takes tokens to be meant: its issuer.
func issuer(t *testing.T, w *ownWorld) string {
	t.Helper()
	token := w.kubectl("create", "token", "traveller")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("no token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(payload), `"iss":"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}
