package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/deploy"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// Objects is a list of objects in the order in which they were declared.
type Objects []*unstructured.Unstructured

// Folders of package deploy.
const (
	// whole is all that a cluster without Flux needs.
	whole = "base"
	// process is the part of it that no installation of Flux has: the account, the
	// rights and the Deployment.
	process = "fluxd"
)

// Manifests returns all that a cluster without Flux needs, with the options o.
func Manifests(ctx context.Context, o Options) (Objects, error) { return o.of(ctx, whole) }

// Process returns the account, the rights and the Deployment of fluxd, which share no
// object with an installation of Flux.
func Process(ctx context.Context, o Options) (Objects, error) { return o.of(ctx, process) }

func (o Options) of(ctx context.Context, dir string) (Objects, error) {
	objects, err := Build(ctx, deploy.FS, dir)
	if err != nil {
		return nil, err
	}
	return o.Edit(objects)
}

// Build returns what the kustomization in a folder of files builds, without a network.
func Build(ctx context.Context, files fs.FS, dir string) (Objects, error) {
	tree, err := treeOf(files)
	if err != nil {
		return nil, err
	}
	return BuildTree(ctx, kustomize.New(kustomize.Config{NoRemoteBases: true}), tree, dir)
}

// BuildTree is [Build] of the tree of an artifact, with a builder as the daemon has one.
func BuildTree(ctx context.Context, builder *kustomize.Builder, tree *artifacts.Tree, dir string) (Objects, error) {
	documents, err := builder.Build(ctx, tree, &render.Trace{}, kustomize.Options{Path: dir})
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	objects := make(Objects, len(documents))
	for i, document := range documents {
		objects[i] = &unstructured.Unstructured{}
		if err := json.Unmarshal(document, &objects[i].Object); err != nil {
			return nil, fmt.Errorf("build %s: %w", dir, err)
		}
	}
	return objects, nil
}

// treeOf reads all files into memory.
func treeOf(files fs.FS) (*artifacts.Tree, error) {
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	builder := store.NewBuilder(artifacts.Limits{})
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return builder.AddFile(name, 0o644, content)
	})
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	tree, _, err := builder.Build()
	return tree, err
}

// Encode returns objects as a stream of YAML documents, the same for the same objects.
func Encode(objects Objects) ([]byte, error) {
	var out []byte
	for _, obj := range objects {
		document, err := yaml.Marshal(obj.Object)
		if err != nil {
			return nil, errors.New("encode " + obj.GetKind() + " " + obj.GetName())
		}
		out = append(append(out, "---\n"...), document...)
	}
	return out, nil
}
