package explain

import (
	"context"
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Step is one object on the way from an object to the root of what applied it.
type Step struct {
	// How the object is related to the one before: applied by, or source.
	How    string
	Object string
	Says   string
}

// Path is the way to the root.
type Path []Step

// owners are the labels by which an applied object tells its owner.
var owners = []struct {
	kind            schema.GroupKind
	name, namespace string
}{
	{api.KustomizationGVK.GroupKind(), api.LabelKustomizationName, api.LabelKustomizationNamespace},
	{api.HelmReleaseGVK.GroupKind(), api.LabelHelmReleaseName, api.LabelHelmReleaseNamespace},
}

// Trace returns which Kustomization or HelmRelease applied an object, from which source at
// which revision, which one applied that, and so on up to one that nobody applied. It is
// an error if the object cannot be read.
func (e *Explainer) Trace(ctx context.Context, ref reconcilers.Ref) (Path, error) {
	n := e.single(ctx, ref)
	if n.Object == nil {
		return nil, missing(n)
	}
	path := Path{{"", name(n.Ref), healthOf(n.Object).String()}}
	seen, last := []reconcilers.Ref{n.Ref}, 0
	for range mostHops {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		owner, how, ok := ownerOf(n.Object)
		if !ok {
			path[last].Says += "; nobody of Flux applied it"
			return path, nil
		}
		if within(seen, owner) {
			return append(path, Step{how, name(owner), "is above: this is the root"}), nil
		}
		seen = append(seen, owner)
		above := e.single(ctx, owner)
		if above.Object == nil {
			return append(path, Step{how, name(owner), absence(above)}), nil
		}
		path, last = append(path, Step{how, name(owner), applies(above.Object, n)}), len(path)
		path = append(path, e.origins(ctx, above.Object)...)
		n = above
	}
	return append(path, Step{"", "…", "the way is longer, and not followed"}), nil
}

// ownerOf returns who made an object: who applied it by its labels, or else the
// controller that it belongs to.
func ownerOf(obj *unstructured.Unstructured) (ref reconcilers.Ref, how string, ok bool) {
	labels := obj.GetLabels()
	if c := metav1.GetControllerOfNoCopy(obj); c != nil {
		gv, _ := schema.ParseGroupVersion(c.APIVersion)
		return reconcilers.NewRef(gv.WithKind(c.Kind).GroupKind(), obj.GetNamespace(), c.Name), "made by", true
	}
	for _, o := range owners {
		if labels[o.name] != "" && labels[o.namespace] != "" {
			return reconcilers.NewRef(o.kind, labels[o.namespace], labels[o.name]), "applied by", true
		}
	}
	return reconcilers.Ref{}, "", false
}

// applies says how an owner does, and whether it still has an object.
func applies(owner *unstructured.Unstructured, n *Node) string {
	if !ours(owner.GroupVersionKind().GroupKind()) {
		return healthOf(owner).String()
	}
	says := healthOf(owner).String()
	if r := revisionOf(owner); r != "" {
		says = "at " + r + ", " + says
	}
	if path := text(owner, "spec", "path"); path != "" {
		says = "of " + path + " " + says
	}
	if n.Ref.Kind == api.HelmChartKind && text(owner, "status", "helmChart") == n.Ref.Namespace+"/"+n.Ref.Name {
		return says // a release makes its chart, and does not list it
	}
	gvk := n.Object.GroupVersionKind()
	for _, e := range inventoryOf(owner) {
		if e == (apply.Entry{Group: gvk.Group, Kind: gvk.Kind, Namespace: n.Object.GetNamespace(), Name: n.Object.GetName(), Version: e.Version}) {
			return says
		}
	}
	return says + "; its inventory does not list the object (any more)"
}

// origins returns the sources of an object, and theirs.
func (e *Explainer) origins(ctx context.Context, obj *unstructured.Unstructured) (path Path) {
	for range mostHops {
		var next *unstructured.Unstructured
		for _, l := range linksOf(obj) {
			if l.Role != RoleSource {
				continue
			}
			n := e.single(ctx, l.Ref)
			if n.Object == nil {
				path = append(path, Step{"source", name(l.Ref), absence(n)})
				continue
			}
			path = append(path, Step{"source", name(l.Ref), origin(n.Object)})
			if next == nil {
				next = n.Object
			}
		}
		if next == nil {
			break
		}
		obj = next
	}
	return path
}

// origin says where a source gets what it has.
func origin(obj *unstructured.Unstructured) string {
	says := healthOf(obj).String()
	if r, _ := artifactOf(obj); r != "" {
		says = "at " + r + ", " + says
	}
	for _, from := range []string{text(obj, "spec", "url"), join(text(obj, "spec", "endpoint"), text(obj, "spec", "bucketName")), text(obj, "spec", "chart")} {
		if from != "" {
			return fmt.Sprintf("of %s %s", from, says)
		}
	}
	return says
}

// Text writes the way, one step a line.
func (p Path) Text(w io.Writer) error {
	var out strings.Builder
	for _, s := range p {
		if s.How != "" {
			fmt.Fprintf(&out, "  %-10s  ", s.How)
		}
		fmt.Fprintf(&out, "%s  %s\n", s.Object, s.Says)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
