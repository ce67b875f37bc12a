package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/pkg/identity/identitytest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// door is the API server of a cluster of a cloud: it asks the cloud who comes, and lets
// those in whom it knows.
type door struct {
	*httptest.Server
	cluster string // by which its cloud knows it
	fake    *identitytest.Clouds

	mu      sync.Mutex // guards callers
	callers map[string]bool
}

// newDoor opens a door to the cluster of all tests, where everybody is elsewhere.
func newDoor(t *testing.T, fake *identitytest.Clouds, authority *upstream.Authority, cluster string, config *rest.Config) *door {
	t.Helper()
	to, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Header.Del("Authorization") }, Transport: transport}
	d := &door{cluster: cluster, fake: fake, callers: map[string]bool{}}
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		who, err := fake.Caller(cluster, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			http.Error(rw, "who are you", http.StatusUnauthorized)
			return
		}
		d.mu.Lock()
		d.callers[who] = true
		d.mu.Unlock()
		pass.ServeHTTP(rw, r)
	}))
	if d.TLS, err = authority.Server(); err != nil {
		t.Fatal(err)
	}
	d.StartTLS()
	t.Cleanup(d.Close)
	fake.Build(cluster, identitytest.Plane{Address: d.URL, CA: authority.PEM})
	return d
}

// who returns all that came.
func (d *door) who() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.callers
}

// clouds serves the hosts of clouds and returns the environment of a daemon for which
// they are the real ones.
func clouds(t *testing.T, fake *identitytest.Clouds, authority *upstream.Authority) []string {
	t.Helper()
	hosts := []string{
		"sts.eu-west-1.amazonaws.com", "eks.eu-west-1.amazonaws.com", "login.microsoftonline.com", "management.azure.com",
		"sts.googleapis.com", "container.googleapis.com",
	}
	server := httptest.NewUnstartedServer(fake.Handler("https"))
	var err error
	if server.TLS, err = authority.Server(hosts...); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	known := map[string]string{}
	for _, host := range hosts {
		known[host] = server.Listener.Addr().String()
	}
	proxy, err := upstream.StartProxy(upstream.ProxyOptions{Hosts: known})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"HTTPS_PROXY=" + proxy.URL, "SSL_CERT_FILE=" + roots}
}

// A service account that a cloud knows leads to the clusters of that cloud, with
// nothing but their names.
func TestClustersOfClouds(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, "{"+ownLabel+": "+namespaceOf(t)+"}", files{
		"aws/config.yaml": configMap("aws", "1"), "azure/config.yaml": configMap("azure", "1"), "gcp/config.yaml": configMap("gcp", "1"),
	})
	mark := w.mark()
	authority, err := upstream.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(w.kubeconfig()))
	if err != nil {
		t.Fatal(err)
	}
	fake := identitytest.New(t)
	fake.Cluster = func(token string) (whose, audience string) {
		whose, audience, _ = strings.Cut(claims(token), " for ")
		return whose, audience
	}
	w.create(`apiVersion: v1
kind: ServiceAccount
metadata:
  name: deployer
  namespace: NS
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/deployer
    azure.workload.identity/tenant-id: our-tenant
    azure.workload.identity/client-id: our-app
    gcp.auth.fluxcd.io/workload-identity-provider: projects/1/locations/global/workloadIdentityPools/a/providers/b
`)
	w.authority(clouds(t, fake, authority)...)
	w.source("repo")
	account := "system:serviceaccount:" + w.namespace + ":deployer for "
	for provider, c := range map[string]struct{ cluster, who string }{
		"aws":   {"arn:aws:eks:eu-west-1:123456789012:cluster/edge", "arn:aws:iam::123456789012:role/deployer by " + account + "sts.amazonaws.com"},
		"azure": {"/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/edge", "application our-tenant/our-app"},
		"gcp":   {"projects/p/locations/l/clusters/edge", "federated " + account + "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b"},
	} {
		door := newDoor(t, fake, authority, c.cluster, config)
		w.create(fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: to-%s, namespace: NS, labels: {reconcile.fluxcd.io/watch: Enabled}}\n"+
			"data: {provider: %[1]s, cluster: %q, serviceAccountName: deployer}\n", provider, c.cluster+"-away"))
		w.kustomization(provider, "./"+provider, "kubeConfig: {configMapRef: {name: to-"+provider+"}}")
		w.wait(harness.Kustomized, provider, all(harness.Failed("ReconciliationFailed"), says(c.cluster+"-away"), says("404 Not Found")))
		w.patch(harness.ConfigMaps, "to-"+provider, map[string]any{"data": map[string]any{"cluster": c.cluster}})
		w.ready(provider)
		w.wait(harness.ConfigMaps, provider, data("key", "1"))
		equal(t, "callers", map[string]bool{c.who: true}, door.who())
	}
	equal(t, "authors", []string{elsewhere}, w.authors(mark))
}
