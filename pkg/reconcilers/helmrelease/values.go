package helmrelease

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/opencontainers/go-digest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// The kinds of objects that hold values.
const (
	secretKind    = "Secret"
	configMapKind = "ConfigMap"
)

// valuesRefs names the objects with values.
func valuesRefs(obj *v2.HelmRelease) []reconcilers.Ref {
	var refs []reconcilers.Ref
	for _, from := range obj.Spec.ValuesFrom {
		refs = append(refs, reconcilers.NewRef(schema.GroupKind{Kind: from.Kind}, obj.Namespace, from.Name))
	}
	return refs
}

// specDigests returns the digests of spec.postRenderers and spec.commonMetadata.
func specDigests(obj *v2.HelmRelease) (postRenderers, commonMetadata string) {
	return helm.PostRenderersDigest(digest.Canonical, obj.Spec.PostRenderers),
		helm.CommonMetadataDigest(digest.Canonical, obj.Spec.CommonMetadata)
}

// values composes the values of the release. Objects are read once in a run, and in
// every run: only those with the label of the configured selector are watched.
func (p *pass) values(ctx context.Context) error {
	sources := helm.Sources{Namespace: p.obj.Namespace, References: p.obj.Spec.ValuesFrom}
	var err error
	if sources.Files, err = p.files(ctx); err != nil {
		return p.noValues(ctx, err)
	}
	if inline := p.obj.Spec.Values; inline != nil && len(inline.Raw) > 0 {
		if err := json.Unmarshal(inline.Raw, &sources.Inline); err != nil {
			return p.noValues(ctx, fmt.Errorf("spec.values: %w", err))
		}
	}
	values, skipped, err := helm.Compose(ctx, sources, p.readObject)
	if err != nil {
		return p.noValues(ctx, err)
	}
	for _, message := range skipped {
		logr.FromContextOrDiscard(ctx).V(1).Info(message)
	}
	p.config, p.want.config = values, helm.ConfigDigest(digest.Canonical, values)
	return nil
}

func (p *pass) noValues(ctx context.Context, err error) error {
	if ctx.Err() != nil || classified(err) {
		return err
	}
	return fault.Backoff(api.ReasonValuesError, err)
}

// readObject reads the entries of an object with values.
func (p *pass) readObject(ctx context.Context, kind, name string) (map[string][]byte, error) {
	data, err := p.entries(ctx, kind, name)
	if apierrors.IsNotFound(err) {
		return nil, helm.ErrNoObject
	}
	return data, err
}

func (p *pass) entries(ctx context.Context, kind, name string) (map[string][]byte, error) {
	switch kind {
	case secretKind:
		data, _, err := p.configs.Secret(ctx, p.obj.Namespace, name)
		return data, err
	case configMapKind:
		texts, err := p.configs.ConfigMap(ctx, p.obj.Namespace, name)
		data := make(map[string][]byte, len(texts))
		for key, text := range texts {
			data[key] = []byte(text)
		}
		return data, err
	}
	return nil, fmt.Errorf("spec.valuesFrom: the kind %q is neither %s nor %s", kind, secretKind, configMapKind)
}
