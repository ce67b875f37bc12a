package releases

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// A chart that would never end, or take the process down, fails its own release with a
// message that names the template. The others do not notice.
func TestChartsThatDoHarm(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("good")
	for name, c := range map[string]struct{ file, content, message string }{
		"endless":    {"templates/a.yaml", "{{ range 1000000000000 }}{{ end }}", "harm-endless/templates/a.yaml: limit exceeded: it "},
		"recursive":  {"templates/a.yaml", `{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t) }}`, "harm-recursive/templates/a.yaml: limit exceeded: calls of tpl are nested"},
		"circular":   {"templates/a.yaml", `{{ $_ := set .Values "self" .Values }}{{ .Values }}`, "harm-circular/templates/a.yaml: limit exceeded: a value is nested"},
		"huge":       {"templates/a.yaml", `{{ repeat 2000000000 "x" }}`, "harm-huge/templates/a.yaml: limit exceeded: a value or an output has more than"},
		"broken":     {"templates/a.yaml", `{{ nonsense }}`, `parse error at (harm-broken/templates/a.yaml:1): function "nonsense" not defined`},
		"failing":    {"templates/a.yaml", `{{ fail "choose a size" }}`, "execution error at (harm-failing/templates/a.yaml:1:3): choose a size"},
		"no-objects": {"templates/a.yaml", "a: b: c", "YAML parse error on harm-no-objects/templates/a.yaml"},
		"outward":    {"values.schema.json", `{"$ref": "file:///etc/passwd"}`, "a schema of a chart may refer to itself only"},
		"circle":     {"values.schema.json", `{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}`, "causing reference cycle"},
	} {
		chart := "harm-" + name
		r.push(upstream.Chart{Name: chart, Version: "1.0.0", Files: map[string]string{c.file: c.content}})
		r.Create(r.Manifest("source.toolkit.fluxcd.io/v1", "OCIRepository", chart,
			"url: oci://"+r.registry.Host()+"/charts/"+chart, "insecure: true", "ref: {semver: '*'}",
			"layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}"))
		r.Create(r.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", chart, "chartRef: {kind: OCIRepository, name: "+chart+"}"))
		obj := r.Wait(api.HelmReleaseGVR, chart, world.Has("Released", "False/InstallFailed"))
		if _, got := world.Condition(obj, "Released"); !strings.Contains(got, c.message) {
			t.Errorf("%s: got %q", name, got)
		}
		r.Delete(api.HelmReleaseGVR, chart)
		r.Wait(api.HelmReleaseGVR, chart, harness.Gone)
	}
	r.ready("good")
	r.values("good", map[string]any{"word": "still there"})
	r.Wait(configMaps, "good-config", func(obj *unstructuredObject) bool { return world.Field(obj, "data", "word") == "still there" })
}
