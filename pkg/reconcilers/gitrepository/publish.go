package gitrepository

import (
	"context"
	"fmt"
	"slices"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// upToDate says whether the stored artifact is what would be fetched.
func (a *one) upToDate(head git.Head, in *included) bool {
	return head.Final() && a.Stored() && a.obj.Status.Artifact.Revision == head.Revision() &&
		a.observedContent() && a.sameIncludes(in) && !a.mustVerify() &&
		a.IsTrue(api.ConditionArtifactInStorage)
}

// outdated says that there is something newer than the artifact, until that is stored.
func (a *one) outdated(head git.Head, in *included) {
	recorded := a.obj.Status.Artifact
	switch {
	case recorded == nil:
	case recorded.Revision != head.Revision():
		a.Set(api.ConditionArtifactOutdated, true, api.ReasonNewRevision, fmt.Sprintf("new upstream revision '%s'", head.Revision()))
	case !a.sameIncludes(in):
		a.Set(api.ConditionArtifactOutdated, true, api.ReasonIncludeChange, "included artifacts differ from last observed includes")
	}
}

// unchanged ends a run that found nothing new.
func (a *one) unchanged() reconcilers.Result {
	a.verificationRemoved()
	revision := a.obj.Status.Artifact.Revision
	return a.Unchanged(api.ReasonSucceeded, stored(revision), api.ReasonGitOperationSucceeded,
		fmt.Sprintf("no changes since last reconciliation: observed revision '%s'", revision))
}

func stored(revision string) string {
	return fmt.Sprintf("stored artifact for revision '%s'", revision)
}

// fetch gets the commit, verifies it and makes the tree.
func (a *one) fetch(ctx context.Context, s *git.Session, head git.Head, in *included) (sources.Snapshot, error) {
	snapshot, err := a.checkout(ctx, s, head, in)
	if err == nil {
		a.Drop(api.ConditionFetchFailed)
	}
	return snapshot, err
}

func (a *one) checkout(ctx context.Context, s *git.Session, head git.Head, in *included) (sources.Snapshot, error) {
	commit, err := s.Fetch(ctx, head)
	if err != nil {
		return sources.Snapshot{}, a.fetchFailed(ctx, err)
	}
	if err := a.verify(ctx, commit); err != nil {
		return sources.Snapshot{}, err
	}
	ignored := ""
	if a.obj.Spec.Ignore != nil {
		ignored = *a.obj.Spec.Ignore
	}
	snapshot, err := commit.Snapshot(ctx, a.Store, git.Checkout{
		Ignore: ignored, Sparse: a.obj.Spec.SparseCheckout, Submodules: a.obj.Spec.RecurseSubmodules,
	})
	if err != nil {
		return snapshot, a.fetchFailed(ctx, err)
	}
	snapshot.Tree, err = a.graft(snapshot.Tree, in)
	return snapshot, err
}

// publish stores the tree and says so.
func (a *one) publish(snapshot sources.Snapshot, in *included) (reconcilers.Result, error) {
	result, err := a.Publish(attempt.Publication{
		Revision: snapshot.Revision, File: commitOf(snapshot.Revision) + ".tar.gz", Tree: snapshot.Tree,
		Message: stored(snapshot.Revision), Warnings: snapshot.Warnings,
		News: fmt.Sprintf("stored artifact for commit '%s'", snapshot.Summary),
	})
	if err != nil {
		return result, err
	}
	status := &a.obj.Status
	status.IncludedArtifacts = in.artifacts
	status.ObservedIgnore, status.ObservedRecurseSubmodules = a.obj.Spec.Ignore, a.obj.Spec.RecurseSubmodules
	status.ObservedInclude, status.ObservedSparseCheckout = slices.Clone(a.obj.Spec.Include), slices.Clone(a.obj.Spec.SparseCheckout)
	a.verificationRemoved()
	return result, nil
}

// commitOf returns the commit id at the end of a revision.
func commitOf(revision string) string {
	for i := len(revision) - 1; i >= 0; i-- {
		if revision[i] == ':' {
			return revision[i+1:]
		}
	}
	return revision
}
