package charts

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// module returns the folder of a Go module, which is downloaded if need be. Its packages
// are not used: it has charts in it.
func module(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", name)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	var m struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &m); err != nil || jsonErr != nil || m.Dir == "" {
		t.Skipf("the module %s cannot be had here: %v %s", name, err, m.Error)
	}
	return m.Dir
}

// real are charts that many use, in modules of their projects.
var real = map[string]struct {
	module, dir string
	values      map[string]string
}{
	"metrics-server": {"sigs.k8s.io/metrics-server@v0.9.0", "charts/metrics-server", map[string]string{
		"defaults": ``,
		"all":      `{replicas: 3, apiService: {create: true}, tls: {type: cert-manager}, metrics: {enabled: true}, serviceMonitor: {enabled: true}, podDisruptionBudget: {enabled: true, minAvailable: 1}, networkPolicy: {enabled: true}}`,
	}},
	"descheduler": {"sigs.k8s.io/descheduler@v0.36.0", "charts/descheduler", map[string]string{
		"defaults":   ``,
		"deployment": `{kind: Deployment, replicas: 2, leaderElection: {enabled: true}, service: {enabled: true}, serviceMonitor: {enabled: true}}`,
	}},
	"kyverno": {"github.com/kyverno/kyverno@v1.19.1", "charts/kyverno", map[string]string{
		"defaults": ``,
		"all": `{grafana: {enabled: true}, admissionController: {replicas: 3, serviceMonitor: {enabled: true}, podDisruptionBudget: {enabled: true}},
			backgroundController: {replicas: 2}, cleanupController: {enabled: false}, webhooksCleanup: {enabled: true}, policyReportsCleanup: {enabled: true}}`,
		"without CRDs": `{crds: {install: false}, reportsController: {enabled: false}}`,
	}},
	"kyverno-policies": {"github.com/kyverno/kyverno@v1.19.1", "charts/kyverno-policies", map[string]string{
		"defaults":   ``,
		"restricted": `{podSecurityStandard: restricted, podSecuritySeverity: high, validationFailureAction: Enforce}`,
	}},
	"cert-manager": {"github.com/cert-manager/cert-manager@v1.21.2", "deploy/charts/cert-manager", map[string]string{
		"defaults": ``,
		"all":      `{crds: {enabled: true}, prometheus: {enabled: true, servicemonitor: {enabled: true}}, webhook: {replicaCount: 3, networkPolicy: {enabled: true}}, podDisruptionBudget: {enabled: true}}`,
	}},
	"external-secrets": {"github.com/external-secrets/external-secrets@v1.3.2", "deploy/charts/external-secrets", map[string]string{
		"defaults": ``,
		"all":      `{installCRDs: true, replicaCount: 2, leaderElect: true, serviceMonitor: {enabled: true}, podDisruptionBudget: {enabled: true}, webhook: {certManager: {enabled: true}}}`,
	}},
	"versitygw": {"github.com/versity/versitygw@v1.8.0", "chart", map[string]string{
		"defaults": ``,
	}},
}

// TestRealCharts renders charts that are in use.
func TestRealCharts(t *testing.T) {
	for name, c := range real {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(module(t, c.module), c.dir)
			for values, text := range c.values {
				t.Run(values, func(t *testing.T) {
					compare(t, request{
						dir: released(t, dir), values: parse(t, text),
						apiVersions: []string{"monitoring.coreos.com/v1", "monitoring.coreos.com/v1/ServiceMonitor", "cert-manager.io/v1"},
					})
				})
			}
		})
	}
}

// released returns a chart as it is released: some fill in the version then.
func released(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Name, Version string }
	if err := yaml.Unmarshal(data, &m); err == nil && m.Version != "" && !strings.Contains(string(data), "{{") {
		return dir
	}
	out := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(out, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	chart := "apiVersion: v2\nname: " + filepath.Base(dir) + "\nversion: 1.0.0\nappVersion: v1.0.0\n"
	path := filepath.Join(out, "Chart.yaml")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(chart), 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "\t", " ")), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestChartsOfHelm renders the charts that Helm tests itself with: subcharts with aliases
// and conditions, libraries, schemas, orders, and broken ones.
func TestChartsOfHelm(t *testing.T) {
	root := module(t, "helm.sh/helm/v3@v3.22.0")
	for _, dir := range []string{"cmd/helm/testdata/testcharts", "pkg/chartutil/testdata", "pkg/lint/rules/testdata"} {
		charts, err := fs.Glob(os.DirFS(filepath.Join(root, dir)), "*/Chart.yaml")
		if err != nil || len(charts) == 0 {
			t.Fatalf("no charts in %s: %v", dir, err)
		}
		for _, chart := range charts {
			t.Run(chart, func(t *testing.T) {
				r := request{dir: filepath.Join(root, dir, filepath.Dir(chart))}
				if filepath.Dir(chart) == "issue-9027" {
					r.onlyHelm4 = nulls
				}
				compare(t, r)
			})
		}
	}
}
