package sources

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// canary is in every Secret of the test, and must be nowhere else.
const canary = "c4nary-th4t-must-n0t-s1ng"

// songs are the forms in which it could be heard.
func songs() []string {
	return []string{
		canary, url.QueryEscape(canary),
		base64.StdEncoding.EncodeToString([]byte(canary)),
		base64.StdEncoding.EncodeToString([]byte(user + ":" + canary)),
	}
}

// TestNoSecretIsTold has sources of all kinds use Secrets that are right, wrong,
// and not what they should be, and looks for their values in everything that
// fluxd says.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.start("--log-level=trace")
	good := w.sources.registry(upstream.RegistryOptions{Security: upstream.Security{TLS: true}, Username: user, Password: canary, Tokens: true})
	bad := w.sources.registry(upstream.RegistryOptions{Username: user, Password: "another"})
	for _, r := range []*upstream.Registry{good, bad} {
		w.push(r, "private/web", "latest", files{"config.yaml": configMap("web", "1")})
		w.pushChart(r, "charts", web("1.0.0"))
	}
	store := w.sources.s3(upstream.Security{})
	w.put(store, files{"config.yaml": configMap("web", "1")})
	index := w.sources.charts(upstream.HelmIndexOptions{Username: user, Password: canary}, web("1.0.0"))
	locked := w.sources.charts(upstream.HelmIndexOptions{Username: user, Password: "another"}, web("1.0.0"))
	w.canaries(good, bad)

	sources := []struct{ name, kind, ready, spec string }{
		{"oci-good", "OCIRepository", "True", ociURL(good, "private/web") + "\nsecretRef: {name: login}\ncertSecretRef: {name: trust}"},
		{"oci-wrong", "OCIRepository", "False", ociURL(bad, "private/web") + "\nsecretRef: {name: login}"},
		{"oci-garbage", "OCIRepository", "False", ociURL(bad, "private/web") + "\nsecretRef: {name: garbage}"},
		{"oci-certs", "OCIRepository", "False", ociURL(good, "private/web") + "\ncertSecretRef: {name: garbage}"},
		{"oci-proxy", "OCIRepository", "False", ociURL(bad, "private/web") + "\nproxySecretRef: {name: proxy}"},
		{"oci-cosign", "OCIRepository", "False", ociURL(good, "private/web") +
			"\nsecretRef: {name: login}\ncertSecretRef: {name: trust}\nverify: {provider: cosign, secretRef: {name: garbage}}"},
		{"bucket-wrong", "Bucket", "False", "endpoint: " + store.Host() + "\ninsecure: true\nbucketName: NS\nsecretRef: {name: keys}"},
		{"bucket-garbage", "Bucket", "False", "endpoint: " + store.Host() + "\ninsecure: true\nbucketName: NS\nsecretRef: {name: garbage}"},
		{"bucket-gcp", "Bucket", "False", "provider: gcp\nendpoint: storage.googleapis.com\nbucketName: NS\nsecretRef: {name: google}\nproxySecretRef: {name: nobody}"},
		{"bucket-azure", "Bucket", "False", "provider: azure\nendpoint: " + store.URL + "/account?sig=" + canary + "\nbucketName: NS\nsecretRef: {name: sas}"},
		{"charts-good", "HelmRepository", "True", "url: " + index.URL + "\nsecretRef: {name: basic}"},
		{"charts-wrong", "HelmRepository", "False", "url: " + locked.URL + "\nsecretRef: {name: basic}"},
		{"charts-proxy", "HelmRepository", "False", "url: " + locked.URL + "\nsecretRef: {name: half}"},
		{"git-wrong", "GitRepository", "False", "url: " + locked.URL + "/repo.git\nsecretRef: {name: basic}"},
		{"git-key", "GitRepository", "False", "url: ssh://git@" + locked.Host() + "/repo.git\nsecretRef: {name: ssh}"},
	}
	for _, s := range sources {
		w.sources.source(s.kind, s.name, s.spec)
	}
	w.chart("chart-good", "web", "HelmRepository", "charts-good")
	w.sources.source("HelmRepository", "charts-oci", "type: oci\nurl: oci://"+bad.Host()+"/charts\ninsecure: true\nsecretRef: {name: login}")
	w.chart("chart-wrong", "web", "HelmRepository", "charts-oci")
	for _, s := range sources {
		w.Wait(kinds[s.kind], s.name, readyIs(s.ready))
	}
	w.Wait(api.HelmChartGVR, "chart-good", readyIs("True"))
	w.Wait(api.HelmChartGVR, "chart-wrong", readyIs("False"))
	w.listen()
}

var kinds = map[string]schema.GroupVersionResource{
	"GitRepository": api.GitRepositoryGVR, "OCIRepository": api.OCIRepositoryGVR, "Bucket": api.BucketGVR,
	"HelmRepository": api.HelmRepositoryGVR, "HelmChart": api.HelmChartGVR,
}

func readyIs(status string) world.Is {
	return func(obj *unstructured.Unstructured) bool {
		got, _, _ := harness.Condition(obj, "Ready")
		return got == status
	}
}

// canaries creates the Secrets.
func (w *own) canaries(good, bad *upstream.Registry) {
	w.T.Helper()
	w.login("login", canary, good.Host(), bad.Host())
	w.trust(good.Door)
	for name, content := range map[string]map[string]string{
		"basic":  {"username": user, "password": canary},
		"half":   {"password": canary},
		"keys":   {"accesskey": user, "secretkey": canary},
		"proxy":  {"address": "http://127.0.0.1:1/?" + canary, "username": user, "password": canary},
		"nobody": {"address": "http://127.0.0.1:1"},
		"sas":    {"sasKey": "sv=2020-08-04&sig=" + canary},
		"ssh":    {"identity": "-----BEGIN OPENSSH PRIVATE KEY-----\n" + canary + "\n-----END OPENSSH PRIVATE KEY-----\n", "known_hosts": canary},
		"google": {"serviceaccount": `{"type":"service_account","private_key":"` + canary + `","client_email":"a@b.c","token_uri":"http://127.0.0.1:1/` + canary + `"}`},
		"garbage": {
			"ca.crt": canary, "tls.crt": canary, "tls.key": canary, "cosign.pub": canary, "trustpolicy.json": canary,
			"username": canary, ".dockerconfigjson": canary, "password": canary, "accesskey": canary, "secretkey": "",
		},
	} {
		w.Secret(name, content)
	}
}

// listen looks for the canary in all that fluxd has said, which the spec of an
// object is not.
func (w *own) listen() {
	w.T.Helper()
	metrics, err := w.daemon.Metrics()
	if err != nil {
		w.T.Fatal(err)
	}
	log := strings.Join(w.daemon.Logs(), "\n")
	world.Contains(w.T, "the log", log, "oci-wrong", "bucket-wrong", "charts-wrong", "git-wrong", "chart-wrong") // it is listened to
	said := map[string]string{"the log": log, "the metrics": metrics}
	all := map[string]schema.GroupVersionResource{"the events": harness.Events}
	for kind, gvr := range kinds {
		all["a "+kind] = gvr
	}
	for what, gvr := range all {
		list, err := w.Cluster.Dynamic.Resource(gvr).Namespace(w.Namespace).List(w.T.Context(), metav1.ListOptions{})
		if err != nil {
			w.T.Fatal(err)
		}
		if len(list.Items) == 0 {
			w.T.Errorf("there is nothing in %s", what)
		}
		for _, obj := range list.Items {
			delete(obj.Object, "spec")
			text, err := json.Marshal(obj.Object)
			if err != nil {
				w.T.Fatal(err)
			}
			said[what] += string(text) + "\n"
		}
	}
	for what, text := range said {
		for _, song := range songs() {
			if i := strings.Index(text, song); i >= 0 {
				w.T.Errorf("%s tells a secret: …%s…", what, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}
