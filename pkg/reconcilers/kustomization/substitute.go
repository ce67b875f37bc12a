package kustomization

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/substitute"
)

// The kinds of objects that hold variables and keys.
const (
	secretKind    = "Secret"
	configMapKind = "ConfigMap"
)

// configRefs names the Secrets and ConfigMaps that the build of obj reads.
func configRefs(obj *v1.Kustomization) []reconcilers.Ref {
	var refs []reconcilers.Ref
	add := func(kind, name string) {
		if name != "" {
			refs = append(refs, reconcilers.NewRef(schema.GroupKind{Kind: kind}, obj.Namespace, name))
		}
	}
	if obj.Spec.PostBuild != nil {
		for _, from := range obj.Spec.PostBuild.SubstituteFrom {
			add(from.Kind, from.Name)
		}
	}
	return refs
}

// edits returns what is done to the objects of the build, and a digest of all that
// this depends on. The objects that hold variables are read once, and every time: an
// unchanged build is recognised by their content.
func (p *pass) edits(ctx context.Context) ([]render.Edit, render.Inputs, error) {
	var edits []render.Edit
	var inputs render.Inputs
	if post := p.obj.Spec.PostBuild; post != nil {
		variables, err := p.variables(ctx, post)
		if err != nil {
			return nil, inputs, err
		}
		options := p.substitution()
		inputs = inputs.With(variables.Inputs(options))
		if edit := variables.Edit(options); edit != nil {
			edits = append(edits, edit)
		}
	}
	return edits, inputs, nil
}

func (p *pass) substitution() substitute.Options {
	return substitute.Options{
		Strict: p.options.StrictSubstitution, Marker: api.KeySubstitute,
		Always: p.obj.GetSubstituteStrategy() == v1.SubstituteAlways,
	}
}

// variables reads the variables of spec.postBuild. Those of the spec win over those of
// objects, and of these the later ones.
func (p *pass) variables(ctx context.Context, post *v1.PostBuild) (substitute.Variables, error) {
	var v substitute.Variables
	for _, from := range post.SubstituteFrom {
		values, err := p.valuesOf(ctx, from)
		if err != nil && !(from.Optional && apierrors.IsNotFound(err)) {
			return v, fmt.Errorf("substitute from '%s/%s' error: %w", from.Kind, from.Name, err)
		}
		v.Set(values)
	}
	v.Set(post.Substitute)
	return v, nil
}

func (p *pass) valuesOf(ctx context.Context, from v1.SubstituteReference) (map[string]string, error) {
	switch from.Kind {
	case configMapKind:
		return p.configs.ConfigMap(ctx, p.obj.Namespace, from.Name)
	case secretKind:
		data, _, err := p.configs.Secret(ctx, p.obj.Namespace, from.Name)
		values := make(map[string]string, len(data))
		for name, value := range data {
			values[name] = string(value)
		}
		return values, err
	}
	return nil, fmt.Errorf("the kind is neither %s nor %s", secretKind, configMapKind)
}
