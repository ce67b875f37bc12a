package charts

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestRandomValues renders the values that three charts within each other see, for
// default values and values of the user that are made up, nulls and all.
func TestRandomValues(t *testing.T) {
	const template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\nvalues: {{ .Values | toJson | quote }}\n"
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := &maker{rand.New(rand.NewPCG(seed, 1))}
			dir := t.TempDir()
			for chart, dependencies := range map[string]string{
				".":                 g.dependencies("a", "b"),
				"charts/a":          g.dependencies("c"),
				"charts/b":          "",
				"charts/a/charts/c": "",
			} {
				name := filepath.Base(chart)
				if chart == "." {
					name = "root"
				}
				write(t, filepath.Join(dir, chart, "Chart.yaml"), "apiVersion: v2\nname: "+name+"\nversion: 1.0.0\n"+dependencies)
				write(t, filepath.Join(dir, chart, "values.yaml"), g.yaml(t))
				write(t, filepath.Join(dir, chart, "templates/values.yaml"), template)
			}
			var values map[string]any
			if err := yaml.Unmarshal([]byte(g.yaml(t)), &values); err != nil {
				t.Fatal(err)
			}
			compare(t, request{dir: dir, values: values, onlyHelm4: nulls})
		})
	}
}

// maker makes things up.
type maker struct{ *rand.Rand }

// keys are few, so that they meet.
var keys = []string{"a", "b", "c", "x", "y", "global", "tags", "exports", "alias"}

func (m *maker) pick(from []string) string { return from[m.IntN(len(from))] }

// dependencies returns some of the dependencies of a chart, with some of what they can have.
func (m *maker) dependencies(names ...string) string {
	if m.IntN(5) == 0 {
		return ""
	}
	out := "dependencies:\n"
	for i, name := range names {
		out += fmt.Sprintf("- {name: %s, version: 1.x.x, repository: \"\"", name)
		if m.IntN(3) == 0 {
			out += fmt.Sprintf(", condition: \"%s.%s,%s\"", m.pick(keys), m.pick(keys), m.pick(keys))
		}
		if m.IntN(3) == 0 {
			out += ", tags: [" + m.pick(keys) + "]"
		}
		if m.IntN(4) == 0 {
			out += fmt.Sprintf(", alias: alias%d", i)
		}
		if m.IntN(2) == 0 {
			out += fmt.Sprintf(", import-values: [%s, {child: %s, parent: %s}, {child: %s.%s, parent: .}]",
				m.pick(keys), m.pick(keys), m.pick(keys), m.pick(keys), m.pick(keys))
		}
		out += "}\n"
	}
	return out
}

func (m *maker) yaml(t *testing.T) string {
	t.Helper()
	text, err := yaml.Marshal(m.table(4))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// table returns a map that is nested as deep as that at the most.
func (m *maker) table(depth int) map[string]any {
	out := make(map[string]any)
	for range m.IntN(5) {
		key := m.pick(keys)
		switch n := m.IntN(10); {
		case n < 5 && depth > 0:
			out[key] = m.table(depth - 1)
		case n == 5:
			out[key] = nil
		case n == 6:
			out[key] = []any{1, nil, m.table(0)}
		case n == 7:
			out[key] = m.IntN(2) == 0
		default:
			out[key] = m.IntN(3)
		}
	}
	return out
}
