package helm

import (
	"errors"
	"strings"
	"testing"
)

func TestErrorsSayWhere(t *testing.T) {
	cases := map[string]struct {
		template, err string
		is            error
	}{
		"a chart says so":        {`{{ fail "choose a size" }}`, "execution error at (web/templates/a.yaml:1:3): choose a size", ErrTemplate},
		"a value is required":    {"\n{{ required \"name is missing\" .Values.name }}", "execution error at (web/templates/a.yaml:2:3): name is missing", ErrTemplate},
		"in a named template":    {`{{ define "x" }}{{ fail "no" }}{{ end }}{{ include "x" . }}`, "execution error at (web/templates/a.yaml:1:43): no", ErrTemplate},
		"no such function":       {`{{ nonsense }}`, `template: parse error at (web/templates/a.yaml:1): function "nonsense" not defined`, ErrTemplate},
		"no environment":         {`{{ env "HOME" }}`, `template: parse error at (web/templates/a.yaml:1): function "env" not defined`, ErrTemplate},
		"no end":                 {`{{ if true }}`, "template: parse error at (web/templates/a.yaml:1): unexpected EOF", ErrTemplate},
		"no such template":       {`{{ include "nothing" . }}`, `template: web/templates/a.yaml:1:3: executing "web/templates/a.yaml" at <include "nothing" .>: error calling include: template: no template "nothing" associated with template "gotpl"`, ErrTemplate},
		"a field of nothing":     {`{{ .Values.a.b.c }}`, `template: web/templates/a.yaml:1:10: executing "web/templates/a.yaml" at <.Values.a.b.c>: nil pointer evaluating interface {}.b`, ErrTemplate},
		"a function that panics": {`{{ randInt 5 5 }}`, `template: web/templates/a.yaml:1:3: executing "web/templates/a.yaml" at <randInt 5 5>: error calling randInt: invalid argument to Intn`, ErrTemplate},
		"no YAML":                {"a: b: c", "YAML parse error on web/templates/a.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context", ErrManifest},
		"not even text":          {`{{ b64dec "/wD/" }}`, "YAML parse error on web/templates/a.yaml: ", ErrManifest},
		"a list of a document":   {"- a", "YAML parse error on web/templates/a.yaml: ", ErrManifest},
		"annotations of no kind": {"metadata: {annotations: [a]}", "YAML parse error on web/templates/a.yaml: ", ErrManifest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := renderTemplate(t, c.template, nil)
			if err == nil || !strings.HasPrefix(err.Error(), c.err) || !errors.Is(err, c.is) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestKubeVersion(t *testing.T) {
	in := input(chartOf(t, "-- Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: \">=1.38.0\"\n"))
	for version, want := range map[string]bool{"v1.37.2": false, "v1.38.0": true, "v1.38.0-eks-1234": true, "v1.38.1+k3s1": true, "1.39.0": true} {
		in.Capabilities.KubeVersion = version
		_, err := renderer.Render(t.Context(), in)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrChart) {
			t.Errorf("%s: got %v", version, err)
		}
	}
}
