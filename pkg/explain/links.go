package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// opaque are fields of specs whose contents are the users' own, whatever they look like.
var opaque = map[string]bool{"values": true, "patches": true, "postRenderers": true, "substitute": true, "commonMetadata": true}

// secretFields and configMapFields are those that name one by {name: ...}.
var (
	secretFields    = map[string]bool{"secretRef": true, "certSecretRef": true, "proxySecretRef": true}
	configMapFields = map[string]bool{"configMapRef": true}
	listFields      = map[string]bool{"substituteFrom": true, "valuesFrom": true}
)

// linksOf returns what one of our objects refers to, in the order in which reconcilers
// look at it: its source, what it depends on, and what it is configured by.
func linksOf(obj *unstructured.Unstructured) []Link {
	l := linker{obj: obj}
	l.sources()
	l.dependencies()
	l.annotated()
	spec, _, _ := unstructured.NestedFieldNoCopy(obj.Object, "spec")
	l.configs("spec", spec)
	return l.links
}

type linker struct {
	obj   *unstructured.Unstructured
	links []Link
}

func (l *linker) add(role Role, field string, kind schema.GroupKind, namespace, name string, optional bool) {
	if name == "" || kind.Kind == "" {
		return
	}
	if namespace == "" {
		namespace = l.obj.GetNamespace()
	}
	ref := reconcilers.NewRef(kind, namespace, name)
	if !slices.ContainsFunc(l.links, func(x Link) bool { return x.Ref == ref && x.Role == role }) {
		l.links = append(l.links, Link{Role: role, Ref: ref, Field: field, Optional: optional})
	}
}

// sources adds where the object gets its content from. A release that describes its
// chart gets it from the HelmChart that is made of that.
func (l *linker) sources() {
	for _, path := range [][]string{{"spec", "sourceRef"}, {"spec", "chartRef"}} {
		l.source(path...)
	}
	if namespace, name, ok := strings.Cut(text(l.obj, "status", "helmChart"), "/"); ok {
		l.add(RoleSource, "spec.chart", api.HelmChartGVK.GroupKind(), namespace, name, false)
	} else {
		l.source("spec", "chart", "spec", "sourceRef")
	}
	for i, one := range list(l.obj.Object, "spec", "include") {
		l.add(RoleSource, fmt.Sprintf("spec.include[%d].repository", i), api.GitRepositoryGVK.GroupKind(), "", named(one, "repository"), false)
	}
}

func (l *linker) source(path ...string) {
	kind := api.SourceV1.WithKind(text(l.obj, append(path, "kind")...)).GroupKind()
	l.add(RoleSource, strings.Join(path, "."), kind, text(l.obj, append(path, "namespace")...), text(l.obj, append(path, "name")...), false)
}

// dependencies adds objects of the same kind that have to be ready first.
func (l *linker) dependencies() {
	for i, one := range list(l.obj.Object, "spec", "dependsOn") {
		fields, _ := one.(map[string]any)
		namespace, _ := fields["namespace"].(string)
		name, _ := fields["name"].(string)
		l.add(RoleDependency, fmt.Sprintf("spec.dependsOn[%d]", i), l.obj.GroupVersionKind().GroupKind(), namespace, name, false)
	}
}

// annotated adds objects of any kind that have to be ready first, which an annotation
// lists as Kind.group/namespace/name or Kind.group/name.
func (l *linker) annotated() {
	texts := strings.FieldsFunc(l.obj.GetAnnotations()[api.AnnotationDependsOn], func(r rune) bool {
		return strings.ContainsRune(", \t\r\n", r)
	})
	for _, t := range texts[:min(len(texts), mostLinks)] {
		parts := strings.Split(t, "/")
		if len(parts) != 2 && len(parts) != 3 {
			continue // its reconciler says so
		}
		kind, group, _ := strings.Cut(parts[0], ".")
		namespace := ""
		if len(parts) == 3 {
			namespace = parts[1]
		}
		l.add(RoleObject, "metadata.annotations["+api.AnnotationDependsOn+"]", schema.GroupKind{Group: group, Kind: kind}, namespace, parts[len(parts)-1], false)
	}
}

// configs adds the Secrets and ConfigMaps that are named anywhere below a field.
func (l *linker) configs(path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			below := path + "." + key
			switch {
			case opaque[key]:
			case secretFields[key]:
				l.add(RoleConfig, below, secretKind, "", named(v, key), false)
			case configMapFields[key]:
				l.add(RoleConfig, below, configMapKind, "", named(v, key), false)
			case listFields[key]:
				l.listed(below, v[key])
			default:
				l.configs(below, v[key])
			}
		}
	case []any:
		for i, one := range v {
			l.configs(fmt.Sprintf("%s[%d]", path, i), one)
		}
	}
}

// listed adds the entries of a list of {kind, name, optional}.
func (l *linker) listed(path string, value any) {
	all, _ := value.([]any)
	for i, one := range all {
		fields, _ := one.(map[string]any)
		kind, _ := fields["kind"].(string)
		name, _ := fields["name"].(string)
		optional, _ := fields["optional"].(bool)
		if kind == secretKind.Kind || kind == configMapKind.Kind {
			l.add(RoleConfig, fmt.Sprintf("%s[%d]", path, i), schema.GroupKind{Kind: kind}, "", name, optional)
		}
	}
}

var secretKind, configMapKind = schema.GroupKind{Kind: "Secret"}, schema.GroupKind{Kind: "ConfigMap"}

// named returns the name in a reference below a field.
func named(value any, field string) string {
	fields, _ := value.(map[string]any)
	ref, _ := fields[field].(map[string]any)
	name, _ := ref["name"].(string)
	return name
}
