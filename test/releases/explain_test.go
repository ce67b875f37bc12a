package releases

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// view runs one of the commands that look at an object, and returns what it prints, with
// the namespace as NS.
func (r release) view(args ...string) string {
	r.T.Helper()
	args = append(args, "--namespace="+r.Namespace, "--kubeconfig="+shared.Credentials)
	out, err := exec.CommandContext(r.T.Context(), shared.Binary, args...).CombinedOutput()
	if err != nil {
		r.T.Fatal(err, string(out))
	}
	return strings.ReplaceAll(string(out), r.Namespace, "NS")
}

// A release that waits leads to the index that nobody has made, and one that is ready back
// to where its objects come from.
func TestExplainARelease(t *testing.T) {
	r := newRelease(t)
	index, err := upstream.StartHelmIndex(upstream.HelmIndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.closing(index)
	if err := index.Publish(app("1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	r.Create(r.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web",
		"chart: {spec: {chart: app, version: 1.x, sourceRef: {kind: HelmRepository, name: charts}}}"))
	r.Create(r.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "behind",
		"chart: {spec: {chart: app, version: 1.x, sourceRef: {kind: HelmRepository, name: charts}}}", "dependsOn: [{name: web}]"))
	r.Wait(api.HelmChartGVR, r.Namespace+"-web", failed)
	r.Wait(api.HelmReleaseGVR, "web", failed)
	r.Wait(api.HelmReleaseGVR, "behind", failed)
	const root = "  ↳ its source HelmChart/NS/NS-web (spec.chart) is not ready: "
	text := r.view("explain", "hr/web", "--status-only")
	world.Contains(t, "the chart", text, root)
	world.Contains(t, "the index", text, "  ↳ its source HelmRepository/NS/charts (spec.sourceRef) does not exist\n")

	r.Create(r.Manifest("source.toolkit.fluxcd.io/v1", "HelmRepository", "charts", "url: "+index.URL))
	r.ready("web")
	r.ready("behind")
	world.Contains(t, "when all is well", r.view("explain", "hr/web", "--status-only"), "HelmRelease/NS/web is ready at 1.0.0")
	world.Equal(t, "tree", "HelmRelease/NS/web  1.0.0, Ready\n└── ConfigMap/NS/web-config  Current\n", r.view("tree", "hr/web"))
	world.Equal(t, "trace", "ConfigMap/NS/web-config  Current\n"+
		"  applied by  HelmRelease/NS/web  at 1.0.0, Ready; nobody of Flux applied it\n"+
		"  source      HelmChart/NS/NS-web  of app at 1.0.0, Ready\n", firstLines(3, r.view("trace", "configmap/web-config")))
	world.Contains(t, "where the chart is from", r.view("trace", "configmap/web-config"), "  source      HelmRepository/NS/charts  of "+index.URL+" at sha256:")
}

// failed says whether an object has tried and is not ready.
func failed(obj *unstructuredObject) bool {
	if obj == nil {
		return false
	}
	status, _, _ := harness.Condition(obj, "Ready")
	return status == "False"
}

func firstLines(n int, text string) string {
	return strings.Join(strings.SplitAfter(text, "\n")[:n], "")
}
