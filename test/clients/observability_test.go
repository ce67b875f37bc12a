package clients

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// everything makes one object of every kind in the namespace, ready.
func (w clients) everything() {
	w.T.Helper()
	w.git("git")
	w.kustomization("app", "git", "./app")
	w.push("latest", files{"config.yaml": configMap("other", "1")})
	w.Create(w.Manifest(sourceVersion, "OCIRepository", "oci", "url: "+w.url(""), "insecure: true"))
	w.bucket(files{"config.yaml": configMap("other", "1")})
	w.Create(w.Manifest(sourceVersion, "Bucket", "bucket", "endpoint: "+s3.Host(), "bucketName: NS", "insecure: true", "secretRef: {name: keys}"))
	w.Create(w.Manifest(sourceVersion, "HelmRepository", "charts", "url: "+charts.URL))
	w.Create(w.Manifest(sourceVersion, "HelmChart", "chart", "chart: web", "version: 1.x", "sourceRef: {kind: HelmRepository, name: charts}"))
	w.Create(w.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "release", "chart: {spec: {chart: web, version: 1.1.0, sourceRef: {kind: HelmRepository, name: charts}}}"))
	w.Kubectl(append([]string{"wait", "--for=condition=Ready", "--timeout=60s"}, everyObject...)...)
}

// everyObject is what everything makes.
var everyObject = []string{
	"gitrepository/git", "ocirepository/oci", "bucket/bucket", "helmrepository/charts", "helmchart/chart", "kustomization/app", "helmrelease/release",
}

// resourceInfo are the fields that kube-state-metrics reads for gotk_resource_info, by the
// configuration that Flux publishes.
var resourceInfo = map[schema.GroupVersionResource]struct {
	name   string
	fields []string
}{
	api.KustomizationGVR:  {"app", []string{"status.lastAppliedRevision", "spec.sourceRef.name"}},
	api.HelmReleaseGVR:    {"release", []string{"status.history.0.chartVersion", "status.history.0.chartName", "status.history.0.appVersion", "spec.chart.spec.sourceRef.name"}},
	api.GitRepositoryGVR:  {"git", []string{"status.artifact.revision", "spec.url"}},
	api.OCIRepositoryGVR:  {"oci", []string{"status.artifact.revision", "spec.url"}},
	api.BucketGVR:         {"bucket", []string{"status.artifact.revision", "spec.endpoint", "spec.bucketName"}},
	api.HelmRepositoryGVR: {"charts", []string{"status.artifact.revision", "spec.url"}},
	api.HelmChartGVR:      {"chart", []string{"status.artifact.revision", "spec.chart", "spec.version"}},
}

// reads are series that the dashboards and alerts which Flux publishes read, with the
// labels that they select or group by. NS is the namespace of the test.
var reads = []string{
	`gotk_reconcile_duration_seconds_bucket kind="Kustomization" name="app" namespace="NS" le="+Inf"`,
	`gotk_reconcile_duration_seconds_sum kind="HelmRelease" name="release" namespace="NS"`,
	`gotk_reconcile_duration_seconds_count kind="GitRepository" name="git" namespace="NS"`,
	`controller_runtime_reconcile_total controller="gitrepository" result="success"`,
	`controller_runtime_reconcile_total controller="ocirepository" result="error"`,
	`controller_runtime_reconcile_total controller="helmchart" result="requeue"`,
	`controller_runtime_reconcile_total controller="bucket" result="requeue_after"`,
	`controller_runtime_reconcile_errors_total controller="kustomization"`,
	`controller_runtime_reconcile_time_seconds_bucket controller="helmrelease" le="+Inf"`,
	`controller_runtime_active_workers controller="helmrepository"`,
	`controller_runtime_max_concurrent_reconciles controller="kustomization"`,
	`workqueue_work_duration_seconds_count name="kustomization"`,
	`workqueue_longest_running_processor_seconds name="kustomization"`,
	`workqueue_depth name="helmrelease"`,
	`workqueue_adds_total name="gitrepository"`,
	`workqueue_queue_duration_seconds_bucket name="gitrepository"`,
	`workqueue_unfinished_work_seconds name="gitrepository"`,
	`rest_client_requests_total code="200" method="GET"`,
	`go_info version=`,
	`go_memstats_alloc_bytes`,
	`process_cpu_seconds_total`,
}

// What dashboards that were made for Flux read is there: the fields of objects, and the
// metrics.
func TestDashboardsOfFlux(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.everything()
	for gvr, info := range resourceInfo {
		obj := w.Get(gvr, info.name)
		if status, _, _ := harness.Condition(obj, "Ready"); status != "True" {
			t.Errorf("%s: Ready is %q", gvr.Resource, status)
		}
		for _, field := range info.fields {
			if at(obj.Object, strings.Split(field, ".")) == nil {
				t.Errorf("%s has no %s", gvr.Resource, field)
			}
		}
	}

	metrics, err := shared.Daemon.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range reads {
		parts := strings.Fields(w.Expand(series))
		if !hasSeries(metrics, parts[0], parts[1:]) {
			t.Errorf("no series %s", strings.Join(parts, " "))
		}
	}
	for _, name := range []string{"gotk_reconcile_condition", "gotk_suspend_status"} {
		if strings.Contains(metrics, "\n"+name) {
			t.Errorf("%s is there, which Flux has given up", name)
		}
	}
}

// at returns what is at a path, whose numbers are places in lists; nil if there is none.
func at(value any, path []string) any {
	if len(path) == 0 || value == nil {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		return at(v[path[0]], path[1:])
	case []any:
		if path[0] == "0" && len(v) > 0 {
			return at(v[0], path[1:])
		}
	}
	return nil
}

// hasSeries says whether metrics in text form have a series of a name with labels.
func hasSeries(metrics, name string, labels []string) bool {
	for line := range strings.Lines(metrics) {
		rest, found := strings.CutPrefix(line, name)
		if found && (rest[0] == '{' || rest[0] == ' ') && containsAll(rest, labels) {
			return true
		}
	}
	return false
}

// What selects the Pod of fluxd, and what patches address in it.
func TestPodOfFluxd(t *testing.T) {
	pod := kubectl(t, "-n", namespace, "get", "pods", "-l", "app.kubernetes.io/part-of=flux", "-o",
		`jsonpath={.items[*].metadata.labels.app} {.items[*].metadata.labels.app\.kubernetes\.io/component} {.items[*].metadata.annotations.prometheus\.io/port} {.items[*].spec.containers[*].name} {.items[*].spec.containers[0].ports[*].name}`)
	world.Equal(t, "labels, annotation, containers and ports", "fluxd fluxd 8080 manager http-prom healthz", pod)
	accounts := kubectl(t, "-n", namespace, "get", "serviceaccounts", "-l", "app.kubernetes.io/part-of=flux", "-o", "jsonpath={.items[*].metadata.name}")
	world.Equal(t, "accounts", "fluxd helm-controller kustomize-controller source-controller", accounts)
	admins := kubectl(t, "get", "clusterrolebinding", "cluster-reconciler-flux-system", "-o", "jsonpath={.roleRef.name} {.subjects[*].name}")
	world.Equal(t, "who may do everything", "cluster-admin kustomize-controller helm-controller", admins)
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := shared.Cluster.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err, out)
	}
	return strings.TrimSpace(out)
}
