package kustomize

import (
	"context"
	"fmt"
	"path"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// streamFile is where a stream of objects lies that is transformed.
const streamFile = "objects.yaml"

// Transform returns objects as patches and images of o change them, in compact JSON and
// in the order of the stream, which is YAML. The rest of o is left aside: there is no
// folder to build. No two objects of the stream may be the same one.
func (b *Builder) Transform(ctx context.Context, stream []byte, o Options) ([][]byte, error) {
	v := newView(&artifacts.Tree{}, &render.Trace{}, b.config.Limits)
	k := types.Kustomization{
		TypeMeta:  types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind},
		Resources: []string{streamFile},
	}
	if err := (Options{Patches: o.Patches, Images: o.Images}).edit(v, root, &k); err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("encode the kustomization: %w", err)
	}
	v.files[path.Join(root, streamFile)] = stream
	v.files[path.Join(root, "kustomization.yaml")] = text
	g := &gate{view: v, copies: make(map[reference]string), customSchema: process.extend}
	v.gate = g.inspect
	resources, err := b.run(ctx, g, target{dir: root})
	if err != nil {
		return nil, fmt.Errorf("kustomize build failed: %w", err)
	}
	return documents(resources.Resources())
}
