package gitrepository

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
)

// included are the artifacts that spec.include names, in its order.
type included struct {
	artifacts []*api.Artifact
	trees     []*artifacts.Tree
	releases  []func()
}

func (i *included) release() {
	for _, release := range i.releases {
		release()
	}
}

// includes opens what is to be included. Each must be a GitRepository of the
// same namespace that has an artifact.
func (a *one) includes() (*included, error) {
	out := &included{}
	for _, include := range a.obj.Spec.Include {
		name := include.GitRepositoryRef.Name
		other, ok := a.sources(a.obj.Namespace, name)
		if !ok {
			out.release()
			return nil, a.includeMissing(api.ReasonNotFound, fmt.Errorf("could not get resource for include: GitRepository '%s/%s' not found", a.obj.Namespace, name))
		}
		artifact := other.Status.Artifact
		if artifact == nil {
			out.release()
			return nil, a.includeMissing(api.ReasonNoArtifact, fmt.Errorf("no artifact available for include '%s'", name))
		}
		tree, release, err := a.Store.Open(owner(other), artifact.Digest)
		if err != nil {
			out.release()
			return nil, fault.Cold(api.ReasonNoArtifact, fmt.Errorf("include '%s': %w", name, err), a.options.RequeueDependency)
		}
		out.artifacts = append(out.artifacts, artifact.DeepCopy())
		out.trees = append(out.trees, tree)
		out.releases = append(out.releases, release)
	}
	a.Drop(api.ConditionIncludeUnavailable)
	return out, nil
}

func (a *one) includeMissing(reason string, err error) error {
	a.Set(api.ConditionIncludeUnavailable, true, reason, err.Error())
	return fault.Waiting(reason, err, a.options.RequeueDependency)
}

// sameIncludes says whether the stored artifact was made of these.
func (a *one) sameIncludes(now *included) bool {
	before := a.obj.Status.IncludedArtifacts
	if len(before) != len(now.artifacts) {
		return false
	}
	for i, artifact := range now.artifacts {
		if before[i] == nil || before[i].Revision != artifact.Revision || before[i].Digest != artifact.Digest {
			return false
		}
	}
	return true
}

// graft adds the included trees to a checkout. Blobs are shared, not copied.
func (a *one) graft(base *artifacts.Tree, in *included) (*artifacts.Tree, error) {
	if len(in.trees) == 0 {
		return base, nil
	}
	b := a.Store.NewBuilder(a.Limits)
	if err := b.AddTree(".", base); err != nil {
		return nil, a.StorageFailed(api.ReasonCopyFailure, err)
	}
	for i, include := range a.obj.Spec.Include {
		to, from := confine(include.GetToPath()), confine(include.FromPath)
		if to == "." {
			return nil, a.StorageFailed(api.ReasonIllegalPath, fmt.Errorf("spec.include[%d].toPath: %q is not a path below the root", i, include.ToPath))
		}
		part, ok := in.trees[i].Sub(from)
		if !ok {
			return nil, a.StorageFailed(api.ReasonCopyFailure, fmt.Errorf("spec.include[%d].fromPath: the artifact of '%s' has no directory %q", i, include.GitRepositoryRef.Name, include.FromPath))
		}
		if _, taken := base.DirDigest(to); taken {
			return nil, a.StorageFailed(api.ReasonCopyFailure, fmt.Errorf("spec.include[%d].toPath: %q exists already", i, to))
		}
		if err := b.AddTree(to, part); err != nil {
			return nil, a.StorageFailed(api.ReasonCopyFailure, fmt.Errorf("spec.include[%d]: %w", i, err))
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		return nil, a.StorageFailed(api.ReasonCopyFailure, err)
	}
	return tree, nil
}

// confine returns a slash-separated path that stays below the root, whatever it
// says; "." is the root.
func confine(p string) string {
	p = path.Clean("/" + p)[1:]
	if p == "" || !fs.ValidPath(p) {
		return "."
	}
	return p
}
