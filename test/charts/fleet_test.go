package charts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What Helm 4 does in another way than Helm 3, and fluxd does as well.
const (
	nulls = "it has nulls among its default values, which Helm 3 lets templates see"
	twins = "it has a chart twice whose own subchart has an alias, which Helm 3 knows once"
)

// unpack writes a chart of testdata into a folder, with some text replaced.
func unpack(t testing.TB, file string, replace ...string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for section := range strings.SplitSeq(string(data), "\n-- ") {
		if name, content, ok := strings.Cut(section, " --\n"); ok {
			write(t, filepath.Join(dir, name), strings.NewReplacer(replace...).Replace(content+"\n"))
		}
	}
	return dir
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFleet renders a chart that has everything, with values that change what it has.
func TestFleet(t *testing.T) {
	monitoring := []string{"monitoring.coreos.com/v1", "monitoring.coreos.com/v1/ServiceMonitor"}
	for name, r := range map[string]request{
		"defaults":                {},
		"upgrade":                 {upgrade: true, apiVersions: monitoring},
		"no database":             {values: parse(t, `{primary: {enabled: false}}`)},
		"a replica":               {values: parse(t, `{replica: {enabled: true, storage: 2Ti}, tags: {ha: true}}`)},
		"a replica by a global":   {values: parse(t, `{global: {replica: true, own: {nested: map}}}`)},
		"tags alone":              {values: parse(t, `{tags: {monitoring: false}}`)},
		"one tag is enough":       {values: parse(t, `{tags: {monitoring: false, ha: true}}`)},
		"tags that are no tags":   {values: parse(t, `{tags: {monitoring: "maybe"}, replica: {enabled: "maybe"}}`)},
		"nothing taken away":      {values: parse(t, `{primary: {dropped: null, connection: null}, env: {A: null}, global: {image: {pull: null}}}`)},
		"values of all kinds":     {values: parse(t, `{list: null, env: {C: 1e6, D: 0.1, E: true, F: 123456789012}, replicas: 5, database: {port: 1}, prom: {port: 2}}`)},
		"an inner subchart":       {values: parse(t, `{primary: {prom: {port: 7}, exporter: {enabled: false}}}`)},
		"an inner subchart, off":  {values: parse(t, `{primary: {prom: {enabled: false}}}`)},
		"against the schema":      {values: parse(t, `{replicas: 0, primary: {storage: big}}`)},
		"regardless of it":        {values: parse(t, `{primary: {storage: big}}`), skipSchema: true},
		"a subchart is no map":    {values: parse(t, `{primary: text}`)},
		"a template that is none": {values: parse(t, `{template: "{{ nonsense }}"}`)},
		"globals that are none":   {values: parse(t, `{global: text}`)},
	} {
		t.Run(name, func(t *testing.T) {
			r.dir, r.onlyHelm4 = unpack(t, "testdata/fleet.txt"), nulls+", and "+twins
			compare(t, r)
			r.dir, r.onlyHelm4 = unpack(t, "testdata/fleet.txt", "null", `"none"`, ", alias: prom", ""), ""
			compare(t, r)
		})
	}
}

// TestLarge renders a chart of many templates that include each other, and large values.
func TestLarge(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Chart.yaml"), "apiVersion: v2\nname: large\nversion: 1.0.0\n")
	var values strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&values, "app%d: {name: app-%d, labels: {tier: t%d}, args: [--verbose, \"--id=%d\"]}\n", i, i, i%7, i)
	}
	write(t, filepath.Join(dir, "values.yaml"), values.String())
	write(t, filepath.Join(dir, "templates/_app.tpl"), `{{- define "app" -}}
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ .app.name }}
  labels: {{- toYaml .app.labels | nindent 4 }}
spec:
  args: {{- .app.args | toYaml | nindent 2 }}
{{- end }}`)
	for i := range 300 {
		write(t, filepath.Join(dir, fmt.Sprintf("templates/app-%d.yaml", i)), fmt.Sprintf(
			"{{- range $n, $app := .Values }}{{ if hasSuffix \"%d\" $n }}\n---\n{{ include \"app\" (dict \"app\" $app \"kind\" \"Deployment\") }}{{ end }}{{ end }}\n", 100+i))
	}
	compare(t, request{dir: dir})
}
