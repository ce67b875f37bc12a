package compat

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestSameKinds(t *testing.T) {
	t.Parallel()
	want := slices.Sorted(maps.Keys(must(t, published)))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(shipped(t)))); diff != "" {
		t.Errorf("-published +shipped\n%s", diff)
	}
}

func TestSameSchemas(t *testing.T) {
	mine := shipped(t)
	for name, theirs := range must(t, published) {
		t.Run(kind(name), func(t *testing.T) {
			t.Parallel()
			a, b := tree(t, theirs)["spec"], tree(t, mine[name])["spec"]
			for _, d := range differences("spec", undescribed(a, false), undescribed(b, false)) {
				t.Error(d)
			}
		})
	}
}

// The comparison must be able to fail.
func TestDifferencesAreSeen(t *testing.T) {
	const original = `
versions:
- name: v1
  additionalPrinterColumns: [{name: Age, type: date}]
  schema:
    openAPIV3Schema:
      description: words
      properties:
        description: {type: string, default: x, description: words}
        list: {type: array, items: {type: string, enum: [a, b]}, x-kubernetes-list-type: set}
      required: [list]
      x-kubernetes-validations: [{rule: a, message: b}]
`
	cases := map[string]struct {
		change string
		want   []string
	}{
		"other words are no difference": {
			change: `{versions: [{schema: {openAPIV3Schema: {description: others}}}]}`,
		},
		"a default of a property named description": {
			change: `{versions: [{schema: {openAPIV3Schema: {properties: {description: {default: z}}}}}]}`,
			want:   []string{`spec.versions[0].schema.openAPIV3Schema.properties.description.default: published "x", ours "z"`},
		},
		"an enumeration": {
			change: `{versions: [{schema: {openAPIV3Schema: {properties: {list: {items: {enum: [a]}}}}}}]}`,
			want:   []string{`spec.versions[0].schema.openAPIV3Schema.properties.list.items.enum: published [a b], ours [a]`},
		},
		"a CEL message": {
			change: `{versions: [{schema: {openAPIV3Schema: {x-kubernetes-validations: [{message: c}]}}}]}`,
			want:   []string{`spec.versions[0].schema.openAPIV3Schema.x-kubernetes-validations[0].message: published "b", ours "c"`},
		},
		"a column": {
			change: `{versions: [{additionalPrinterColumns: [{priority: 1}]}]}`,
			want:   []string{`spec.versions[0].additionalPrinterColumns[0].priority: only ours has 1`},
		},
		"a property": {
			change: `{versions: [{schema: {openAPIV3Schema: {properties: {list: null}}}}]}`,
			want:   []string{`spec.versions[0].schema.openAPIV3Schema.properties.list: only the published has map[items:map[enum:[a b] type:string] type:array x-kubernetes-list-type:set]`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := tree(t, []byte(original)), tree(t, []byte(original))
			merge(b, tree(t, []byte(tc.change)))
			got := differences("spec", undescribed(a, false), undescribed(b, false))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestShippedIsGenerated(t *testing.T) {
	mine := shipped(t)
	for name, want := range must(t, ours) {
		t.Run(kind(name), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(string(want), string(mine[name])); diff != "" {
				t.Errorf("run make generate: -generated +shipped\n%s", diff)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	theirs := must(t, published)
	components := map[string]string{
		"source.toolkit.fluxcd.io":    "source-controller",
		"kustomize.toolkit.fluxcd.io": "kustomize-controller",
		"helm.toolkit.fluxcd.io":      "helm-controller",
	}
	for name, manifest := range shipped(t) {
		t.Run(kind(name), func(t *testing.T) {
			t.Parallel()
			mine := definition(t, manifest)
			if diff := cmp.Diff(definition(t, theirs[name]).Annotations, mine.Annotations); diff != "" {
				t.Errorf("annotations: -published +ours\n%s", diff)
			}
			want := map[string]string{
				"app.kubernetes.io/component": components[mine.Spec.Group],
				"app.kubernetes.io/instance":  "flux-system",
				"app.kubernetes.io/part-of":   "flux",
				"app.kubernetes.io/version":   "v2.9.0", // the same on all of them
			}
			if diff := cmp.Diff(want, mine.Labels); diff != "" {
				t.Errorf("labels: -want +got\n%s", diff)
			}
		})
	}
}

func TestKustomizationListsThemAll(t *testing.T) {
	t.Parallel()
	var list struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(read(t, crdDir+"/kustomization.yaml"), &list); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list.Resources)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(shipped(t))), list.Resources); diff != "" {
		t.Errorf("-files +listed\n%s", diff)
	}
}

// undescribed returns a copy of v without descriptions. Keys of a map of properties
// are names, so one named description stays.
func undescribed(v any, names bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			if key == "description" && !names {
				continue
			}
			out[key] = undescribed(value, key == "properties" && !names)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = undescribed(v[i], false)
		}
		return out
	}
	return v
}

// differences lists by path what is not the same in both.
func differences(path string, theirs, mine any) []string {
	switch a := theirs.(type) {
	case map[string]any:
		if b, ok := mine.(map[string]any); ok {
			return mapDifferences(path, a, b)
		}
	case []any:
		if b, ok := mine.([]any); ok && len(a) == len(b) {
			var out []string
			for i := range a {
				out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), a[i], b[i])...)
			}
			return out
		}
	}
	if reflect.DeepEqual(theirs, mine) {
		return nil
	}
	return []string{fmt.Sprintf("%s: published %s, ours %s", path, quoted(theirs), quoted(mine))}
}

func mapDifferences(path string, theirs, mine map[string]any) []string {
	keys := maps.Clone(theirs)
	maps.Copy(keys, mine)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		at := path + "." + key
		a, inTheirs := theirs[key]
		b, inMine := mine[key]
		switch {
		case !inTheirs:
			out = append(out, fmt.Sprintf("%s: only ours has %s", at, quoted(b)))
		case !inMine:
			out = append(out, fmt.Sprintf("%s: only the published has %s", at, quoted(a)))
		default:
			out = append(out, differences(at, a, b)...)
		}
	}
	return out
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}

// merge writes change into v: maps and equally long lists of maps by element, null
// removes, anything else replaces.
func merge(v, change map[string]any) {
	for key, c := range change {
		switch c := c.(type) {
		case nil:
			delete(v, key)
			continue
		case map[string]any:
			if old, ok := v[key].(map[string]any); ok {
				merge(old, c)
				continue
			}
		case []any:
			if mergeList(v[key], c) {
				continue
			}
		}
		v[key] = c
	}
}

func mergeList(v any, change []any) bool {
	old, ok := v.([]any)
	if !ok || len(old) != len(change) {
		return false
	}
	for i := range old {
		a, isMap := old[i].(map[string]any)
		b, alsoMap := change[i].(map[string]any)
		if !isMap || !alsoMap {
			return false
		}
		merge(a, b)
	}
	return true
}
