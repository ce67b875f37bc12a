package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

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
	// componentsDir has a folder for each profile.
	componentsDir = "components"
)

// Manifests returns all that a cluster without Flux needs, with the options o.
func Manifests(ctx context.Context, o Options) (Objects, error) { return o.of(ctx, whole) }

// Process returns the account, the rights and the Deployment of fluxd, which share no
// object with an installation of Flux.
func Process(ctx context.Context, o Options) (Objects, error) { return o.of(ctx, process) }

func (o Options) of(ctx context.Context, dir string) (Objects, error) {
	overlay, err := o.overlay(dir)
	if err != nil {
		return nil, err
	}
	objects, err := build(ctx, deploy.FS, map[string][]byte{path.Join(overlayDir, "kustomization.yaml"): overlay}, overlayDir)
	if err != nil {
		return nil, err
	}
	return o.Edit(objects)
}

// Profiles returns the names of the profiles in their order.
func Profiles() []string {
	entries, err := fs.ReadDir(deploy.FS, componentsDir)
	if err != nil {
		return nil // it is embedded
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

// overlayDir is the folder beside those of deploy/ that puts a folder and the profiles
// together, as one would write it by hand.
const overlayDir = "overlay"

const (
	// shard is the profile that adds a process.
	shard = "shard"
	// aliases is the one that adds what an installation of Flux has: it is no part of the
	// process, which may be added to one.
	aliases = "aliases"
)

// overlay returns the kustomization of a folder with the profiles. It does not matter in
// which order they were given: that of shards comes first, so that the others are for each
// of them, and these go by their names.
func (o Options) overlay(dir string) ([]byte, error) {
	profiles := slices.Sorted(slices.Values(o.Profiles))
	if dir == process {
		profiles = slices.DeleteFunc(profiles, func(name string) bool { return name == aliases })
	}
	slices.SortStableFunc(profiles, func(a, b string) int {
		switch {
		case a == shard && b != shard:
			return -1
		case b == shard && a != shard:
			return 1
		}
		return 0
	})
	for i, name := range profiles {
		profiles[i] = path.Join("..", componentsDir, name)
	}
	return yaml.Marshal(map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
		"resources": []string{path.Join("..", dir)}, "components": profiles,
	})
}

// Build returns what the kustomization in a folder of files builds, without a network.
func Build(ctx context.Context, files fs.FS, dir string) (Objects, error) {
	return build(ctx, files, nil, dir)
}

// build is [Build] with more files.
func build(ctx context.Context, files fs.FS, more map[string][]byte, dir string) (Objects, error) {
	tree, err := treeOf(files, more)
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

// treeOf reads all files into memory, and adds more.
func treeOf(files fs.FS, more map[string][]byte) (*artifacts.Tree, error) {
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
	for name, content := range more {
		if err := builder.AddFile(name, 0o644, content); err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
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
