package explain

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// short are the short names of our kinds, as their definitions have them.
var short = map[string]string{
	"gitrepo": api.GitRepositoryKind, "ocirepo": api.OCIRepositoryKind, "helmrepo": api.HelmRepositoryKind,
	"hc": api.HelmChartKind, "ks": api.KustomizationKind, "hr": api.HelmReleaseKind,
}

// Subject reads what people call an object: KIND/NAME, whose namespace is given, or
// KIND/NAMESPACE/NAME, which is how reports print it. A kind may be written in any case,
// as a plural, or with its group as deployments.apps; ours have their short names too.
func Subject(text, namespace string, mapper meta.RESTMapper) (reconcilers.Ref, error) {
	parts := strings.Split(text, "/")
	if len(parts) == 3 {
		namespace = parts[1]
	}
	name := parts[len(parts)-1]
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || name == "" || namespace == "" {
		return reconcilers.Ref{}, fmt.Errorf("%.100q is neither KIND/NAME nor KIND/NAMESPACE/NAME", text)
	}
	kind, err := kindOf(parts[0], mapper)
	return reconcilers.NewRef(kind, namespace, name), err
}

// OwnKind returns the kind of ours that a text names, and whether there is one.
func OwnKind(text string) (schema.GroupKind, bool) {
	name, group, _ := strings.Cut(text, ".")
	for _, r := range api.Resources() {
		if (strings.EqualFold(name, r.Kind.Kind) || strings.EqualFold(name, r.Name.Resource) || short[strings.ToLower(name)] == r.Kind.Kind) &&
			(group == "" || group == r.Kind.Group) {
			return r.Kind.GroupKind(), true
		}
	}
	return schema.GroupKind{}, false
}

func kindOf(text string, mapper meta.RESTMapper) (schema.GroupKind, error) {
	if kind, ok := OwnKind(text); ok {
		return kind, nil
	}
	if mapper == nil {
		return schema.GroupKind{}, fmt.Errorf("%.100q is not a kind of fluxd", text)
	}
	resource, group, _ := strings.Cut(strings.ToLower(text), ".")
	gvk, err := mapper.KindFor(schema.GroupVersionResource{Group: group, Resource: resource})
	switch {
	case meta.IsNoMatchError(err):
		return schema.GroupKind{}, fmt.Errorf("the kind %.100q is not served", text)
	case err != nil:
		return schema.GroupKind{}, fmt.Errorf("find the kind %.100q: %w", text, err)
	}
	return gvk.GroupKind(), nil
}
