package gitrepository

import (
	"context"
	"errors"
	"slices"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// fetchFailed classifies an error of the remote.
func (a *one) fetchFailed(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, git.ErrEmpty):
		return a.Refused(ctx, api.ReasonEmptyGitRepository, err)
	case errors.Is(err, git.ErrAuth):
		return a.Refused(ctx, api.ReasonAuthenticationFailed, err)
	}
	return a.Refused(ctx, api.ReasonGitOperationFailed, err)
}

// observedContent says whether what shapes the content is what the stored
// artifact was made with.
func (a *one) observedContent() bool {
	spec, status := a.obj.Spec, a.obj.Status
	sameIgnore := (spec.Ignore == nil) == (status.ObservedIgnore == nil) &&
		(spec.Ignore == nil || *spec.Ignore == *status.ObservedIgnore)
	return sameIgnore && spec.RecurseSubmodules == status.ObservedRecurseSubmodules &&
		slices.Equal(spec.Include, status.ObservedInclude) &&
		slices.Equal(spec.SparseCheckout, status.ObservedSparseCheckout)
}
