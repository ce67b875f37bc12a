package gitrepository

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/sources"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// stored says whether the artifact of the status is in memory or on disk.
func (a *attempt) stored() bool {
	recorded := a.obj.Status.Artifact
	if recorded == nil {
		return false
	}
	newest, ok := a.store.Newest(owner(a.obj))
	return ok && newest.Digest == recorded.Digest && newest.Revision == recorded.Revision
}

// upToDate says whether the stored artifact is what would be fetched.
func (a *attempt) upToDate(head git.Head, in *included) bool {
	return head.Final() && a.stored() && a.obj.Status.Artifact.Revision == head.Revision() &&
		a.observedContent() && a.sameIncludes(in) && !a.mustVerify() &&
		conditions.IsTrue(a.list, api.ConditionArtifactInStorage)
}

// unchanged ends a run that found nothing new. Everything but generations stays
// as it is, so that nothing is written where nothing changed.
func (a *attempt) unchanged(failedBefore bool) reconcilers.Result {
	artifact := a.obj.Status.Artifact
	a.drop(api.ConditionFetchFailed, api.ConditionStorageOperationFailed, api.ConditionArtifactOutdated)
	a.verificationRemoved()
	result := a.ready(artifact.Revision)
	result.Fact = &reconcilers.Fact{
		Reason: api.ReasonGitOperationSucceeded, Routine: true,
		Message: fmt.Sprintf("no changes since last reconciliation: observed revision '%s'", artifact.Revision),
	}
	if failedBefore {
		result.Fact = a.fact(api.ReasonSucceeded, artifact.Revision)
	}
	return result
}

// ready sets what a good end leaves behind.
func (a *attempt) ready(revision string) reconcilers.Result {
	message := fmt.Sprintf("stored artifact for revision '%s'", revision)
	a.set(api.ConditionArtifactInStorage, true, api.ReasonSucceeded, message)
	return reconcilers.Result{Reason: api.ReasonSucceeded, Message: message, Revision: revision}
}

// fetch gets the commit, verifies it and makes the tree.
func (a *attempt) fetch(ctx context.Context, s *git.Session, head git.Head, in *included) (sources.Snapshot, error) {
	snapshot, err := a.checkout(ctx, s, head, in)
	if err == nil {
		a.drop(api.ConditionFetchFailed)
	}
	return snapshot, err
}

func (a *attempt) checkout(ctx context.Context, s *git.Session, head git.Head, in *included) (sources.Snapshot, error) {
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
	snapshot, err := commit.Snapshot(ctx, a.store, git.Checkout{
		Ignore: ignored, Sparse: a.obj.Spec.SparseCheckout, Submodules: a.obj.Spec.RecurseSubmodules,
	})
	if err != nil {
		return snapshot, a.fetchFailed(ctx, err)
	}
	snapshot.Tree, err = a.graft(snapshot.Tree, in)
	return snapshot, err
}

// publish stores the tree and says so, in this order.
func (a *attempt) publish(snapshot sources.Snapshot, in *included, failedBefore bool) (reconcilers.Result, error) {
	stored, err := a.store.Put(owner(a.obj), snapshot.Revision, snapshot.Tree, nil)
	if err != nil {
		return reconcilers.Result{}, a.storageFailed(api.ReasonArchiveOperationFailed, err)
	}
	before := a.obj.Status.Artifact
	file := commitOf(snapshot.Revision) + ".tar.gz"
	artifact := &api.Artifact{
		Path: stored.Owner.String() + "/" + file, URL: a.options.BaseURL + stored.Owner.String() + "/" + file,
		Revision: stored.Revision, Digest: stored.Digest, Size: &stored.Size,
		LastUpdateTime: metav1.NewTime(stored.Updated.UTC()),
	}
	if before != nil && before.Digest == artifact.Digest && before.Revision == artifact.Revision {
		artifact.LastUpdateTime = before.LastUpdateTime
	}
	status := &a.obj.Status
	status.Artifact, status.IncludedArtifacts = artifact, in.artifacts
	status.ObservedIgnore, status.ObservedRecurseSubmodules = a.obj.Spec.Ignore, a.obj.Spec.RecurseSubmodules
	status.ObservedInclude, status.ObservedSparseCheckout = a.obj.Spec.Include, a.obj.Spec.SparseCheckout
	a.drop(api.ConditionArtifactOutdated, api.ConditionStorageOperationFailed)
	a.verificationRemoved()

	result := a.ready(snapshot.Revision)
	switch {
	case before == nil || before.Digest != artifact.Digest:
		result.Fact = a.fact(api.ReasonNewArtifact, snapshot.Summary)
		result.Fact.Message = fmt.Sprintf("stored artifact for commit '%s'%s", snapshot.Summary, warnings(snapshot))
	case failedBefore:
		result.Fact = a.fact(api.ReasonSucceeded, snapshot.Revision)
	}
	return result, nil
}

// fact tells of the artifact in the status.
func (a *attempt) fact(reason, what string) *reconcilers.Fact {
	artifact := a.obj.Status.Artifact
	return &reconcilers.Fact{
		Reason: reason, Message: fmt.Sprintf("stored artifact for revision '%s'", what),
		Annotations: map[string]string{
			api.SourceGroup + "/" + api.EventKeyRevision: artifact.Revision,
			api.SourceGroup + "/" + api.EventKeyDigest:   artifact.Digest,
		},
	}
}

// maxWarnings is how many warnings one event repeats.
const maxWarnings = 5

func warnings(s sources.Snapshot) string {
	text := ""
	for i, w := range s.Warnings {
		if i == maxWarnings {
			return text + fmt.Sprintf("; and %d more", len(s.Warnings)-i)
		}
		text += "; " + w.String()
	}
	return text
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
