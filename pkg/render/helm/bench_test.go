package helm

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// bigChart returns a packaged chart with that many templates and definitions, named
// templates that they include, and values that are as long.
func bigChart(t testing.TB, templates, definitions int) []byte {
	files := map[string]string{
		"big/Chart.yaml": "apiVersion: v2\nname: big\nversion: 1.0.0\n",
		"big/templates/_helpers.tpl": `{{- define "labels" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}`,
	}
	var values strings.Builder
	for i := range templates {
		fmt.Fprintf(&values, "app%d: {enabled: true, replicas: 2, image: {repository: example.com/app-%d, tag: v1}, env: {A: a, B: b, C: c}, resources: {limits: {cpu: 1, memory: 64Mi}}}\n", i, i)
		files[fmt.Sprintf("big/templates/app-%d.yaml", i)] = fmt.Sprintf(`{{- with .Values.app%d }}{{ if .enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ printf "%%s-%d" $.Release.Name | trunc 63 }}
  labels: {{- include "labels" $ | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers:
      - name: app
        image: {{ .image.repository }}:{{ .image.tag | default $.Chart.AppVersion }}
        env:
        {{- range $k, $v := .env }}
        - {name: {{ $k }}, value: {{ $v | quote }}}
        {{- end }}
        resources: {{- toYaml .resources | nindent 10 }}
{{ end }}{{ end }}`, i, i)
	}
	for i := range definitions {
		files[fmt.Sprintf("big/crds/%d.yaml", i)] = definition(i)
	}
	files["big/values.yaml"] = values.String()
	return archive(t, files)
}

// definition returns a CustomResourceDefinition of about 60 KiB.
func definition(i int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things%d.example.com}\nspec:\n  versions:\n  - schema:\n      openAPIV3Schema:\n        properties:\n", i)
	for k := range 600 {
		fmt.Fprintf(&s, "          field%d: {type: string, description: \"what field %d of it is about, at some length\"}\n", k, k)
	}
	return s.String()
}

// BenchmarkLoad tells what it takes to load a chart, and what it holds afterwards.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{4, 300} {
		b.Run(fmt.Sprintf("templates=%d", n), func(b *testing.B) {
			tree := fstest.MapFS{"big.tgz": {Data: bigChart(b, n, 0)}}
			b.ReportAllocs()
			var c *Chart
			before := heap()
			for b.Loop() {
				var err error
				if c, err = load(b.Context(), tree, helm.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap()-before), "B-held")
			runtime.KeepAlive(c)
		})
	}
}

// BenchmarkRender tells what a render takes, with and without post-renderers.
func BenchmarkRender(b *testing.B) {
	for _, n := range []int{4, 300} {
		c, err := load(b.Context(), fstest.MapFS{"big.tgz": {Data: bigChart(b, n, 0)}}, helm.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		for _, owner := range []string{"", "web"} {
			b.Run(fmt.Sprintf("templates=%d/labels=%v", n, owner != ""), func(b *testing.B) {
				in := input(c)
				in.PostRender.OwnerName = owner
				b.ReportAllocs()
				for b.Loop() {
					if _, err := renderer.Render(b.Context(), in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkReleases tells what fifty releases of one artifact load: one chart.
func BenchmarkReleases(b *testing.B) {
	tree := fstest.MapFS{"big.tgz": {Data: bigChart(b, 4, 0)}}
	b.ReportAllocs()
	for b.Loop() {
		charts := NewCharts(ChartOptions{})
		for range 50 {
			c, err := charts.Load(b.Context(), "sha256:big", tree, nil)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := renderer.Render(b.Context(), input(c)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(charts.Stats().Loads), "loads")
	}
}

// BenchmarkCRDs tells how much memory is in use while a hundred definitions go by.
func BenchmarkCRDs(b *testing.B) {
	c, err := load(b.Context(), fstest.MapFS{"big.tgz": {Data: bigChart(b, 4, 100)}}, helm.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before, most := heap(), int64(0)
	for b.Loop() {
		n := 0
		for _, err := range CRDs(input(c)) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n%25 == 0 {
				most = max(most, heap()-before)
			}
		}
		if n != 100 {
			b.Fatalf("%d definitions", n)
		}
	}
	b.ReportMetric(float64(c.cost), "B-chart")
	b.ReportMetric(float64(most), "B-more")
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
