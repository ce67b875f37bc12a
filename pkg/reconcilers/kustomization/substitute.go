package kustomization

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/render/substitute"
)

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
