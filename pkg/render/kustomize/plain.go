package kustomize

import (
	"context"
	"fmt"

	"github.com/fluxd/fluxd/pkg/render"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// isPlain says whether o changes nothing of what is built.
func (o Options) isPlain() bool {
	return o.TargetNamespace == "" && o.NamePrefix == "" && o.NameSuffix == "" &&
		len(o.Patches)+len(o.Components)+len(o.Images)+len(o.BuildMetadata) == 0
}

// plain builds a folder that has manifests and nothing else, without kustomize: that
// compares each object with every other one, several times, which takes half a minute
// for 5,000 of them, and everybody else's builds wait. The result is the same, as are
// the errors about manifests. A file is let go of before the next one is parsed, since
// parsed YAML takes twenty to forty times the memory of its text.
func plain(ctx context.Context, v *view, manifests []string) (all [][]byte, err error) {
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	err = process.do(ctx, func() error {
		seen := make(map[string]bool)
		for _, p := range manifests {
			found, err := manifest(v, p, factory)
			if err != nil {
				return err
			}
			if err := distinct(found, p, seen); err != nil {
				return err
			}
			encoded, err := encode(found, factory)
			if err != nil {
				return err
			}
			all = append(all, encoded...)
		}
		return nil
	})
	return all, err
}

// distinct refuses objects without a name and those that have been seen.
func distinct(found []*resource.Resource, p string, seen map[string]bool) error {
	for _, r := range found {
		if nameless(r) {
			return fmt.Errorf("%w from %s", render.ErrNoObject, shown(p))
		}
		id := r.CurId()
		key := fmt.Sprint(id.Gvk, "\n", id.EffectiveNamespace(), "\n", id.Name)
		if seen[key] {
			return fmt.Errorf("kustomize build failed: %s: may not add resource with an already registered id: %s", shown(p), id)
		}
		seen[key] = true
	}
	return nil
}

// encode returns the objects of one file that are for a cluster.
func encode(found []*resource.Resource, factory *resource.Factory) ([][]byte, error) {
	nodes := make([]*yaml.RNode, len(found))
	for i, r := range found {
		nodes[i] = &r.RNode
	}
	kept, err := factory.DropLocalNodes(nodes)
	if err != nil {
		return nil, err
	}
	if err := tidy(kept); err != nil {
		return nil, err
	}
	return documents(kept)
}

// tidy takes off what kustomize notes on objects while it builds, whoever has put it
// there.
func tidy(all []*resource.Resource) error {
	for _, r := range all {
		r.RemoveBuildAnnotations()
		if err := r.SetOrigin(nil); err != nil {
			return err
		}
		if err := r.ClearTransformations(); err != nil {
			return err
		}
	}
	return nil
}

// manifest reads one file of objects.
func manifest(v *view, p string, factory *resource.Factory) ([]*resource.Resource, error) {
	content, err := v.raw(p)
	if err != nil {
		return nil, err
	}
	if err := parses(p, content, factory); err != nil {
		return nil, err
	}
	return factory.SliceFromBytes(content)
}
