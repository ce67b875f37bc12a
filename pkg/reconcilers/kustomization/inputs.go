package kustomization

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// The kinds of objects that hold variables and keys.
const (
	secretKind    = "Secret"
	configMapKind = "ConfigMap"
)

// configRefs names the Secrets and ConfigMaps that the build of obj reads.
func (r *reconciler) configRefs(obj *v1.Kustomization) []reconcilers.Ref {
	var refs []reconcilers.Ref
	add := func(kind, namespace, name string) {
		if name != "" {
			refs = append(refs, reconcilers.NewRef(schema.GroupKind{Kind: kind}, namespace, name))
		}
	}
	if obj.Spec.PostBuild != nil {
		for _, from := range obj.Spec.PostBuild.SubstituteFrom {
			add(from.Kind, obj.Namespace, from.Name)
		}
	}
	if namespace, name, _ := r.keySecret(obj); name != "" {
		add(secretKind, namespace, name)
	}
	return refs
}

// inputs are what decides a build beside the artifact.
type inputs struct {
	options kustomize.Options
	edits   []render.Edit
	digest  render.Inputs
}

// inputs reads what decides the build. The Secrets and ConfigMaps are read once in a
// run, and in every run: an unchanged build is recognised by their content.
func (p *pass) inputs(ctx context.Context) (inputs, error) {
	in := inputs{options: buildOptions(p.obj)}
	in.digest = in.options.Inputs()
	if p.obj.Spec.Decryption != nil {
		d, digest, err := p.decrypter(ctx)
		if err != nil {
			return in, err
		}
		in.options.Prepare = func(ctx context.Context, files kustomize.Files, root, dir string) error {
			if err := d.Check(); err != nil {
				return err
			}
			return d.Files(ctx, files, root, dir)
		}
		in.edits = append(in.edits, d.Edit(api.KeyDecrypt))
		in.digest = in.digest.With(digest)
	}
	if post := p.obj.Spec.PostBuild; post != nil {
		variables, err := p.variables(ctx, post)
		if err != nil {
			return in, err
		}
		options := p.substitution()
		if edit := variables.Edit(options); edit != nil {
			in.edits = append(in.edits, edit)
		}
		in.digest = in.digest.With(variables.Inputs(options))
	}
	return in, nil
}
