package sources

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// chart creates a HelmChart of a source.
func (w sources) chart(name, chart, kind, source string, spec ...string) {
	w.T.Helper()
	w.source("HelmChart", name, append([]string{"chart: " + chart, fmt.Sprintf("sourceRef: {kind: %s, name: %s}", kind, source)}, spec...)...)
}

func TestHelmChart(t *testing.T) {
	w := newWorld(t)
	h := w.charts(upstream.HelmIndexOptions{Security: upstream.Security{TLS: true}, Username: user, Password: password},
		web("1.2.3"), web("1.2.2"), upstream.Chart{Name: "api", Version: "0.1.0"})
	w.Secret("login", map[string]string{"username": user, "password": password})
	w.trust(h.Door)
	w.source("HelmRepository", "charts", "url: "+h.URL, "secretRef: {name: login}", "certSecretRef: {name: trust}")
	w.chart("web", "web", "HelmRepository", "charts", `version: "1.x"`)
	obj := w.Wait(api.HelmChartGVR, "web", at("1.2.3"))
	ready, message := world.Condition(obj, "Ready")
	world.Equal(t, "Ready", "True/ChartPullSucceeded", ready)
	world.Equal(t, "message", "pulled 'web' chart with version '1.2.3'", message)
	world.Equal(t, "path", "helmchart/"+w.Namespace+"/web/web-1.2.3.tgz", world.Field(obj, "status", "artifact", "path"))
	world.Equal(t, "observedChartName", "web", world.Field(obj, "status", "observedChartName"))
	w.held(obj)
	repository := w.Get(api.HelmRepositoryGVR, "charts")
	w.stored(repository, fmt.Sprintf("stored artifact: revision '%s'", world.Revision(repository)))
	world.Equal(t, "observedSourceArtifactRevision", world.Revision(repository), world.Field(obj, "status", "observedSourceArtifactRevision"))

	// A chart appears in the index.
	w.publish(h, web("1.3.0"), web("1.2.3"))
	w.Request(api.HelmRepositoryGVR, "charts")
	w.Wait(api.HelmChartGVR, "web", at("1.3.0"))
}

func TestHelmChartThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	h := w.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
	w.source("HelmRepository", "charts", "url: "+h.URL)
	w.chart("web", "web", "HelmRepository", "charts", `version: "2.x"`)
	w.Wait(api.HelmChartGVR, "web", world.All(world.Has("Stalled", "True/InvalidChartReference"), world.Has("Ready", "False/InvalidChartReference")))
	w.publish(h, web("2.0.0"))
	w.Request(api.HelmRepositoryGVR, "charts")
	w.Wait(api.HelmChartGVR, "web", at("2.0.0"))
}

func TestHelmChartBeforeItsRepository(t *testing.T) {
	w := newWorld(t)
	h := w.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
	w.chart("web", "web", "HelmRepository", "charts")
	w.Wait(api.HelmChartGVR, "web", harness.Failed("SourceUnavailable"))
	w.source("HelmRepository", "charts", "url: "+h.URL)
	w.Wait(api.HelmChartGVR, "web", at("1.0.0"))
}

func TestHelmRepositoryWithNothingNew(t *testing.T) {
	w := newWorld(t)
	h := w.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
	w.source("HelmRepository", "charts", "url: "+h.URL, "interval: 500ms")
	w.chart("web", "web", "HelmRepository", "charts", "interval: 500ms")
	w.Wait(api.HelmChartGVR, "web", at("1.0.0"))
	for _, q := range w.quiet(h.Door, 5) {
		if q.Path != "/index.yaml" || q.Status != http.StatusNotModified {
			t.Errorf("a check asked for %v", q)
		}
	}
}

func TestHelmRepositoryWrongPassword(t *testing.T) {
	w := newWorld(t)
	h := w.charts(upstream.HelmIndexOptions{Username: user, Password: password}, web("1.0.0"))
	w.Secret("login", map[string]string{"username": user, "password": "not-" + password})
	w.source("HelmRepository", "charts", "url: "+h.URL, "secretRef: {name: login}")
	obj := w.Wait(api.HelmRepositoryGVR, "charts", harness.Failed("Failed"))
	failed, message := world.Condition(obj, "FetchFailed")
	world.Equal(t, "FetchFailed", "True/Failed", failed)
	if strings.Contains(message, password) {
		t.Errorf("the message tells the password: %s", message)
	}
	w.Patch(world.Secrets, "login", map[string]any{"stringData": map[string]any{"password": password}})
	w.Wait(api.HelmRepositoryGVR, "charts", harness.Ready)
}

func TestHelmCredentialsStayWithTheirHost(t *testing.T) {
	w := newWorld(t)
	other := w.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
	h := w.charts(upstream.HelmIndexOptions{Username: user, Password: password})
	index := strings.ReplaceAll(string(other.Index()), "- web-1.0.0.tgz", "- "+other.URL+"/web-1.0.0.tgz")
	h.Serve([]byte(index))
	w.Secret("login", map[string]string{"username": user, "password": password})
	w.source("HelmRepository", "charts", "url: "+h.URL, "secretRef: {name: login}")
	w.chart("web", "web", "HelmRepository", "charts")
	w.Wait(api.HelmChartGVR, "web", at("1.0.0"))
	for _, q := range other.Requests() {
		if q.Authorized {
			t.Errorf("credentials went to another host, with %v", q)
		}
	}
}

func TestHelmChartFromARegistry(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{Security: upstream.Security{TLS: true}, Username: user, Password: password, Tokens: true})
	for _, version := range []string{"1.0.0", "1.1.0", "2.0.0+build.7"} {
		w.pushChart(r, "charts", web(version))
	}
	w.login("login", password, r.Host())
	w.trust(r.Door)
	w.source("HelmRepository", "charts", "type: oci", "url: oci://"+r.Host()+"/charts", "secretRef: {name: login}", "certSecretRef: {name: trust}")
	w.chart("range", "web", "HelmRepository", "charts", `version: "1.x"`)
	w.chart("exact", "web", "HelmRepository", "charts", `version: "2.0.0+build.7"`)
	w.held(w.Wait(api.HelmChartGVR, "range", at("1.1.0")))
	w.held(w.Wait(api.HelmChartGVR, "exact", at("2.0.0+build.7")))
	// Nobody reconciles a repository in a registry: it has no status at all.
	obj := w.Wait(api.HelmRepositoryGVR, "charts", func(obj *unstructured.Unstructured) bool {
		status, _, _ := unstructured.NestedMap(obj.Object, "status")
		return len(status) == 0
	})
	world.Equal(t, "finalizers", 0, len(obj.GetFinalizers()))
}

func TestHelmChartFromGit(t *testing.T) {
	w := newWorld(t)
	server, repo := w.git()
	content := web("1.0.0").DirectoryOf("charts/web")
	content["values/production.yaml"] = "text: production\n"
	head, err := repo.Commit(t.Context(), "main", "a chart", content)
	if err != nil {
		t.Fatal(err)
	}
	w.source("GitRepository", "repo", "url: "+server.RepoURL(repo), "ref: {branch: main}")
	w.chart("plain", "./charts/web", "GitRepository", "repo")
	w.chart("merged", "./charts/web", "GitRepository", "repo", "reconcileStrategy: Revision",
		"valuesFiles: [charts/web/values.yaml, values/production.yaml]")
	obj := w.Wait(api.HelmChartGVR, "plain", at("1.0.0"))
	ready, message := world.Condition(obj, "Ready")
	world.Equal(t, "Ready", "True/ChartPackageSucceeded", ready)
	world.Equal(t, "message", "packaged 'web' chart with version '1.0.0'", message)
	obj = w.Wait(api.HelmChartGVR, "merged", at("1.0.0+"+head[:12]+".1"))
	_, message = world.Condition(obj, "Ready")
	world.Contains(t, "message", message, "and merged values files [charts/web/values.yaml values/production.yaml]")
}

func TestHelmChartFromABucket(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, web("1.0.0").DirectoryOf("charts/web"))
	w.bucket("charts", s)
	w.chart("web", "./charts/web", "Bucket", "charts")
	w.held(w.Wait(api.HelmChartGVR, "web", at("1.0.0")))
	w.put(s, web("1.1.0").DirectoryOf("charts/web"))
	w.Request(api.BucketGVR, "charts")
	w.Wait(api.HelmChartGVR, "web", at("1.1.0"))
}
