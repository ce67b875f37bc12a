package preview

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/sources/external"
)

// source returns what a source has for an owner: the content that is previewed, and
// that of the revision that the owner has applied.
func (s *session) source(ctx context.Context, owner, source reconcilers.Ref, applied string) (reconcilers.Content, *reconcilers.Content, error) {
	obj, err := s.world.Objects.find(source)
	if err == nil && obj == nil {
		err = ErrUnknown
	}
	if err != nil {
		return reconcilers.Content{}, nil, fmt.Errorf("%s '%s/%s' %w", source.Kind, source.Namespace, source.Name, err)
	}
	if s.pinned == (reconcilers.Ref{}) { // the first to ask is the object of the request
		s.pinned = source
	}
	r := s.request
	names := r.Folder != nil || r.Revision != "" || r.Branch != ""
	if names && s.pinned == source && r.Policy != nil {
		if err := r.Policy.Content(ctx, owner, source, r.Folder != nil); err != nil {
			return reconcilers.Content{}, nil, err
		}
	}
	var next reconcilers.Content
	switch {
	case !names || s.pinned != source:
		next, err = s.newest(ctx, source, obj)
	case r.Folder != nil:
		next, err = s.folder(ctx, source, obj)
	default:
		next, err = s.at(ctx, source, obj, r.Revision, r.Branch)
	}
	if err != nil {
		return next, nil, fmt.Errorf("%s '%s/%s': %w", source.Kind, source.Namespace, source.Name, err)
	}
	if applied == next.Artifact.Revision && r.Folder == nil {
		return next, &next, nil
	}
	return next, s.applied(ctx, source, obj, applied), nil
}

// once returns the content that key stands for, and gets it the first time.
func (s *session) once(source reconcilers.Ref, key string, get func() (reconcilers.Content, error)) (reconcilers.Content, error) {
	key = source.String() + "\x00" + key
	if c, ok := s.contents[key]; ok {
		return c, nil
	}
	c, err := get()
	if err == nil {
		s.contents[key] = c
	}
	return c, err
}

// newest returns what the source would have after its next reconcile. One that is
// suspended stays where it is.
func (s *session) newest(ctx context.Context, source reconcilers.Ref, obj metav1.Object) (reconcilers.Content, error) {
	return s.once(source, "", func() (reconcilers.Content, error) {
		if e, ok := obj.(*sourcev1.ExternalArtifact); ok {
			return s.external(ctx, source, e)
		}
		if o, ok := obj.(api.Object); ok && o.IsSuspended() {
			return s.recorded(ctx, source, obj, s.cfg.Stored)
		}
		return s.fetch(ctx, source, obj, func(api.Object) error { return nil })
	})
}

// at returns one revision or branch.
func (s *session) at(ctx context.Context, source reconcilers.Ref, obj metav1.Object, revision, branch string) (reconcilers.Content, error) {
	return s.once(source, revision+"\x00"+branch, func() (reconcilers.Content, error) {
		return s.fetch(ctx, source, obj, func(o api.Object) error { return pin(o, revision, branch) })
	})
}

// applied returns the revision that an owner has applied, nil if it cannot be had.
func (s *session) applied(ctx context.Context, source reconcilers.Ref, obj metav1.Object, revision string) *reconcilers.Content {
	if revision == "" {
		return nil
	}
	c, err := s.once(source, "applied "+revision, func() (reconcilers.Content, error) {
		if from, ok := obj.(api.Source); ok && from.GetArtifact() != nil && from.GetArtifact().Revision == revision {
			if c, err := s.recorded(ctx, source, obj, s.cfg.Stored); err == nil {
				return c, nil
			}
		}
		return s.fetch(ctx, source, obj, func(o api.Object) error { return pin(o, revision, "") })
	})
	if err != nil || digestOf(c.Artifact.Revision) != digestOf(revision) {
		return nil
	}
	return &c
}

// recorded returns the artifact that the status of the source tells, which may be in
// the store of the daemon, if one is given.
func (s *session) recorded(ctx context.Context, source reconcilers.Ref, obj metav1.Object, stored *artifacts.Store) (reconcilers.Content, error) {
	from, ok := obj.(api.Source)
	if !ok || from.GetArtifact() == nil {
		return reconcilers.Content{}, errors.New("it has no artifact")
	}
	artifact := from.GetArtifact()
	if stored != nil {
		if tree, release, err := stored.Open(ownerOf(source), artifact.Digest); err == nil {
			s.releases = append(s.releases, release)
			return reconcilers.Content{Artifact: *artifact, Tree: tree}, nil
		}
	}
	suspended, ok := obj.(runtimeObject).DeepCopyObject().(api.Object)
	if !ok {
		return reconcilers.Content{}, errors.New("it cannot be fetched")
	}
	suspend(suspended) // so that it restores what is recorded, and looks for no news
	if _, err := s.reconcile(ctx, source, suspended); err != nil {
		return reconcilers.Content{}, err
	}
	return s.open(source, artifact)
}

// fetch has the plugin of the source fetch what the spec says once edit has had its
// hands on it.
func (s *session) fetch(ctx context.Context, source reconcilers.Ref, obj metav1.Object, edit func(api.Object) error) (reconcilers.Content, error) {
	o, ok := obj.(runtimeObject).DeepCopyObject().(api.Object)
	if !ok {
		return reconcilers.Content{}, fmt.Errorf("%w: it has the one revision that it offers", ErrRequest)
	}
	if err := edit(o); err != nil {
		return reconcilers.Content{}, err
	}
	if err := s.include(ctx, o); err != nil {
		return reconcilers.Content{}, err
	}
	fresh(o)
	if _, err := s.reconcile(ctx, source, o); err != nil {
		return reconcilers.Content{}, err
	}
	from, ok := o.(api.Source)
	if !ok || from.GetArtifact() == nil {
		return reconcilers.Content{}, errors.New("it has no artifact")
	}
	return s.open(source, from.GetArtifact())
}

// mostSteps is in how many runs a source has to be done.
const mostSteps = 5

// reconcile runs the plugin of a source on a copy of it.
func (s *session) reconcile(ctx context.Context, source reconcilers.Ref, o api.Object) (reconcilers.Result, error) {
	plugin, ok := s.registry.Plugin(source.GroupKind)
	if !ok {
		return reconcilers.Result{}, fmt.Errorf("%w: nothing fetches a %s", ErrRequest, source.Kind)
	}
	for range mostSteps {
		result, err := plugin.Reconcile(ctx, o)
		if err != nil || !result.Again {
			return result, err
		}
	}
	return reconcilers.Result{}, errors.New("it does not come to an end")
}

// open takes an artifact out of the store of the preview, which has only the newest
// one of each source.
func (s *session) open(source reconcilers.Ref, artifact *api.Artifact) (reconcilers.Content, error) {
	tree, release, err := s.world.Store.Open(ownerOf(source), artifact.Digest)
	if err != nil {
		return reconcilers.Content{}, err
	}
	s.releases = append(s.releases, release)
	if s.held += tree.Size(); s.held > mostHeld*s.cfg.Budget {
		return reconcilers.Content{}, fmt.Errorf("the sources of one preview have more than %d bytes", mostHeld*s.cfg.Budget)
	}
	return reconcilers.Content{Artifact: *artifact, Tree: tree}, nil
}

// mostHeld is how many times the budget all files of one preview may have: most of them
// are those of two revisions, and kept once.
const mostHeld = 2

func ownerOf(source reconcilers.Ref) artifacts.Owner {
	return artifacts.Owner{Kind: source.Kind, Namespace: source.Namespace, Name: source.Name}
}

// include fetches what a GitRepository includes, and what a HelmChart is packaged from, so
// that it is there.
func (s *session) include(ctx context.Context, o api.Object) error {
	if chart, ok := o.(*sourcev1.HelmChart); ok {
		return s.origin(ctx, chart)
	}
	repository, ok := o.(*sourcev1.GitRepository)
	if !ok {
		return nil
	}
	for _, i := range repository.Spec.Include {
		ref := reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), repository.Namespace, i.GitRepositoryRef.Name)
		found, err := s.world.Objects.find(ref)
		other, is := found.(*sourcev1.GitRepository)
		if err != nil || !is {
			continue // the plugin says it better
		}
		if _, err := s.once(ref, "included", func() (reconcilers.Content, error) { return s.recorded(ctx, ref, other, nil) }); err != nil {
			return fmt.Errorf("include '%s': %w", i.GitRepositoryRef.Name, err)
		}
	}
	return nil
}

// origin has the source of a HelmChart fetched, unless that is what is previewed and there
// already.
func (s *session) origin(ctx context.Context, chart *sourcev1.HelmChart) error {
	ref := reconcilers.NewRef(api.SourceV1.WithKind(chart.Spec.SourceRef.Kind).GroupKind(), chart.Namespace, chart.Spec.SourceRef.Name)
	found, err := s.world.Objects.find(ref)
	if err != nil || found == nil || ref == s.pinned || ref.Kind == api.HelmRepositoryKind {
		return nil // the plugin says it better, or asks for itself
	}
	if _, err := s.newest(ctx, ref, found); err != nil {
		return fmt.Errorf("%s '%s': %w", ref.Kind, ref.Name, err)
	}
	return nil
}

// externalPause is how long to wait between two looks at an artifact that is under way.
const externalPause = 200 * time.Millisecond

// external waits for the artifact that somebody else offers.
func (s *session) external(ctx context.Context, source reconcilers.Ref, e *sourcev1.ExternalArtifact) (reconcilers.Content, error) {
	artifact := e.Status.Artifact
	if artifact == nil {
		return reconcilers.Content{}, errors.New("it has no artifact")
	}
	if s.cfg.Externals == nil {
		return reconcilers.Content{}, errors.New("the ExternalArtifact feature gate is disabled")
	}
	wanted := external.Artifact{URL: artifact.URL, Revision: artifact.Revision, Digest: artifact.Digest, Metadata: artifact.Metadata}
	if artifact.Size != nil {
		wanted.Size = *artifact.Size
	}
	tick := time.NewTicker(externalPause)
	defer tick.Stop()
	for {
		tree, release, err := s.cfg.Externals.Open(ownerOf(source), wanted)
		if err == nil {
			s.releases = append(s.releases, release)
			return reconcilers.Content{Artifact: *artifact, Tree: tree}, nil
		}
		if !errors.Is(err, external.ErrPending) {
			return reconcilers.Content{}, err
		}
		select {
		case <-ctx.Done():
			return reconcilers.Content{}, ctx.Err()
		case <-tick.C:
		}
	}
}
