package attempt

import (
	"context"
	"errors"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/transport"
)

// Stalled reports that the source cannot be fetched until somebody edits the object.
func (a *Attempt) Stalled(reason string, err error) error {
	a.Set(api.ConditionFetchFailed, true, reason, err.Error())
	return fault.Stalled(reason, err)
}

// Refused reports that the source could not be fetched this time. It is tried again
// with backoff, and not before the host has said that it may be. The end of the
// process is no failure: then err is returned as it is.
func (a *Attempt) Refused(ctx context.Context, reason string, err error) error {
	if stopped(ctx) {
		return err
	}
	a.Set(api.ConditionFetchFailed, true, reason, err.Error())
	return fault.Later(reason, err, transport.RetryAfter(err))
}

// AuthFailed is [Attempt.Refused] for missing, malformed or unwanted credentials.
func (a *Attempt) AuthFailed(ctx context.Context, err error) error {
	return a.Refused(ctx, api.ReasonAuthenticationFailed, err)
}

// Unverified reports that a signature is missing or wrong. What is stored stays.
func (a *Attempt) Unverified(ctx context.Context, reason string, err error) error {
	if stopped(ctx) {
		return err
	}
	a.Set(api.ConditionSourceVerified, false, reason, err.Error())
	return fault.Later(reason, err, transport.RetryAfter(err))
}

// StorageFailed reports that an artifact could not be made or kept.
func (a *Attempt) StorageFailed(reason string, err error) error {
	a.Set(api.ConditionStorageOperationFailed, true, reason, err.Error())
	return fault.Backoff(reason, err)
}

// stopped says whether somebody ended the attempt. A timeout is no such end.
func stopped(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
