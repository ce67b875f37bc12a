package helm

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fluxd/fluxd/pkg/render/kustomize"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// tree returns files as an artifact. Sections begin with a line "-- name --".
func tree(sections string) fstest.MapFS {
	out := make(fstest.MapFS)
	for section := range strings.SplitSeq("\n"+sections, "\n-- ") {
		name, content, ok := strings.Cut(section, " --\n")
		if ok {
			out[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	return out
}

// chartOf loads the chart of such files. Without a Chart.yaml it is called web.
func chartOf(t testing.TB, sections string) *Chart {
	t.Helper()
	files := tree(sections)
	if files["Chart.yaml"] == nil {
		files["Chart.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: \"4\"\n")}
	}
	c, err := load(t.Context(), files, helm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// input is an ordinary release of a chart.
func input(c *Chart) Input {
	return Input{
		Chart: c, Name: "rel", Namespace: "apps", Revision: 1,
		Capabilities: Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1", "apps/v1/Deployment"}},
	}
}

var renderer = NewRenderer(kustomize.New(kustomize.Config{NoRemoteBases: true}))

// renderTemplate returns what one template of a chart with the given values yields.
func renderTemplate(t testing.TB, template string, values map[string]any) (string, error) {
	t.Helper()
	in := input(chartOf(t, "-- templates/a.yaml --\n"+template))
	in.Values = values
	out, err := renderer.Render(context.Background(), in)
	return strings.TrimPrefix(out.Manifest, "---\n# Source: web/templates/a.yaml\n"), err
}
