package kustomization

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

// Builder builds a folder of a tree; [kustomize.Builder] is one.
type Builder interface {
	Build(ctx context.Context, tree render.Tree, trace *render.Trace, o kustomize.Options) ([][]byte, error)
}

// build returns the objects of the artifact. It builds only if the last build
// saw something that is different now.
func (p *pass) build(ctx context.Context, artifact *api.Artifact) (render.Output, error) {
	tree, release, err := p.open(artifact)
	if err != nil {
		return render.Output{}, err
	}
	defer release()
	return p.render(ctx, tree, artifact.Revision)
}

// render returns the objects of a tree.
func (p *pass) render(ctx context.Context, tree *artifacts.Tree, revision string) (render.Output, error) {
	// A layer that was copied as it is holds the files.
	tree, err := p.store.Unpacked(ctx, tree)
	if err != nil {
		return render.Output{}, fault.Failed(api.ReasonArtifactFailed, err)
	}
	if err := exists(tree, p.obj.Spec.Path); err != nil {
		return render.Output{}, fault.Failed(api.ReasonArtifactFailed, err)
	}
	p.begin(ctx)
	in, err := p.inputs(ctx)
	if err != nil {
		return render.Output{}, buildFailed(err)
	}
	// What comes out of a build takes a sixth of what the build did, and may be held for as
	// long as an API server pleases: it is no reason to keep others waiting.
	in.options.Memory = p.options.Headroom.Share()
	defer in.options.Memory.Leave()
	output, err := p.builds.Render(ctx, render.Job{
		Owner: render.Owner{Namespace: p.obj.Namespace, Name: p.obj.Name},
		Tree:  tree, Inputs: in.digest, Revision: revision,
		Build: func(ctx context.Context, trace *render.Trace) ([][]byte, error) {
			return p.builder.Build(ctx, tree, trace, in.options)
		},
		Edits: in.edits,
	})
	if err != nil {
		return output, buildFailed(err)
	}
	return output, nil
}

func buildFailed(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Failed(api.ReasonBuildFailed, err)
}

// open returns the tree of the source, which stays in memory until release is called.
func (p *pass) open(artifact *api.Artifact) (t *artifacts.Tree, release func(), err error) {
	ref := sourceRef(p.obj)
	opener := consumer.Opener{
		Store: p.store, Externals: p.options.Externals, Requeue: p.options.RequeueDependency,
		NotFound: "Source is not ready, artifact not found, retrying in %s",
	}
	return opener.Open(artifacts.Owner{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}, artifact)
}

// exists says whether the path, clamped into the tree, is a directory of it. An
// empty artifact has a root, too.
func exists(tree *artifacts.Tree, at string) error {
	clean := strings.TrimPrefix(path.Clean("/"+at), "/")
	if clean == "" {
		return nil
	}
	info, err := fs.Stat(tree, clean)
	if err != nil {
		return fmt.Errorf("kustomization path not found: stat %s: no such file or directory", at)
	}
	if !info.IsDir() {
		return fmt.Errorf("kustomization path not found: %s is not a directory", at)
	}
	return nil
}

// buildOptions returns what spec asks of the build.
func buildOptions(obj *v1.Kustomization) kustomize.Options {
	spec := obj.Spec
	o := kustomize.Options{
		Path: spec.Path, TargetNamespace: spec.TargetNamespace,
		NamePrefix: spec.NamePrefix, NameSuffix: spec.NameSuffix,
		Components: spec.Components, IgnoreMissingComponents: spec.IgnoreMissingComponents,
	}
	for _, patch := range spec.Patches {
		o.Patches = append(o.Patches, kustomize.Patch{Patch: patch.Patch, Target: target(patch.Target)})
	}
	for _, image := range spec.Images {
		o.Images = append(o.Images, kustomize.Image{
			Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest,
		})
	}
	for _, option := range spec.BuildMetadata {
		o.BuildMetadata = append(o.BuildMetadata, string(option))
	}
	return o
}

func target(s *api.Selector) *kustomize.Target {
	if s == nil {
		return nil
	}
	return &kustomize.Target{
		Group: s.Group, Version: s.Version, Kind: s.Kind, Namespace: s.Namespace, Name: s.Name,
		AnnotationSelector: s.AnnotationSelector, LabelSelector: s.LabelSelector,
	}
}
