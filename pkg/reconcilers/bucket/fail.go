package bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// credentialsError says that there are no credentials to ask the store with.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// fetchFailed classifies an error of the store, or of what is needed to ask it.
func (a *one) fetchFailed(ctx context.Context, err error) error {
	_, credentials := errors.AsType[*credentialsError](err)
	switch {
	case credentials || errors.Is(err, bucket.ErrCredentials):
		return a.IdentityFailed(ctx, err)
	case errors.Is(err, bucket.ErrEndpoint):
		return a.Stalled(api.ReasonURLInvalid, fmt.Errorf("spec.endpoint: %w", err))
	case errors.Is(err, bucket.ErrName):
		return a.Stalled(api.ReasonBucketOperationFailed, fmt.Errorf("spec.bucketName: %w", err))
	case errors.Is(err, bucket.ErrTooLarge):
		return a.StorageFailed(api.ReasonArchiveOperationFailed, err)
	}
	return a.Refused(ctx, api.ReasonBucketOperationFailed, err)
}
