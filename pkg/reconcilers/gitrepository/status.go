package gitrepository

import (
	"context"
	"errors"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// set sets a condition.
func (a *attempt) set(kind string, is bool, reason, message string) {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	a.list = conditions.Set(a.list, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: a.obj.Generation,
	}, a.now)
}

// drop removes conditions.
func (a *attempt) drop(kinds ...string) { a.list = conditions.Delete(a.list, kinds...) }

// failed says whether the object carries a condition that means failure.
func (a *attempt) failed() bool {
	for _, kind := range []string{api.ConditionFetchFailed, api.ConditionStorageOperationFailed, api.ConditionIncludeUnavailable} {
		if conditions.IsTrue(a.list, kind) {
			return true
		}
	}
	return false
}

// fetchFailed classifies an error of the remote.
func (a *attempt) fetchFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return err // shutting down
	}
	switch {
	case errors.Is(err, git.ErrEmpty):
		return a.refused(api.ReasonEmptyGitRepository, err)
	case errors.Is(err, git.ErrAuth):
		return a.refused(api.ReasonAuthenticationFailed, err)
	}
	return a.refused(api.ReasonGitOperationFailed, err)
}

// storageFailed reports that an artifact cannot be made or kept.
func (a *attempt) storageFailed(reason string, err error) error {
	a.set(api.ConditionStorageOperationFailed, true, reason, err.Error())
	return fault.Backoff(reason, err)
}

// observedContent says whether what shapes the content is what the stored
// artifact was made with.
func (a *attempt) observedContent() bool {
	spec, status := a.obj.Spec, a.obj.Status
	sameIgnore := (spec.Ignore == nil) == (status.ObservedIgnore == nil) &&
		(spec.Ignore == nil || *spec.Ignore == *status.ObservedIgnore)
	return sameIgnore && spec.RecurseSubmodules == status.ObservedRecurseSubmodules &&
		slices.Equal(spec.Include, status.ObservedInclude) &&
		slices.Equal(spec.SparseCheckout, status.ObservedSparseCheckout)
}
