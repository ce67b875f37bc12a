package release

import (
	"context"
	"errors"
)

// Install makes the first revision of a release.
func (r *Releaser) Install(ctx context.Context, t Target, in Install) (Step, error) {
	return Step{}, errors.ErrUnsupported
}

// Upgrade makes another revision of a release.
func (r *Releaser) Upgrade(ctx context.Context, t Target, up Upgrade) (Step, error) {
	return Step{}, errors.ErrUnsupported
}

// Rollback makes another revision of a release, which repeats an earlier one.
func (r *Releaser) Rollback(ctx context.Context, t Target, rb Rollback) (Step, error) {
	return Step{}, errors.ErrUnsupported
}

// Uninstall deletes the objects of a release, whatever its last revision is, and its
// revisions unless they are to be kept. If it is under way already, whoever began it,
// it goes on.
func (r *Releaser) Uninstall(ctx context.Context, t Target, un Uninstall) (Step, error) {
	return Step{}, errors.ErrUnsupported
}

// Test runs the tests of the last revision.
func (r *Releaser) Test(ctx context.Context, t Target, te Test) (Step, error) {
	return Step{}, errors.ErrUnsupported
}

// Unlock marks a last revision that is pending as failed. If there is none, it does
// nothing.
func (r *Releaser) Unlock(ctx context.Context, t Target, o Options) (Step, error) {
	return Step{}, errors.ErrUnsupported
}

// Continue goes on with the action of t's owner that is under way, with the options
// with which it began and with what is stored. The error is [ErrNothingUnderway] if
// there is none.
func (r *Releaser) Continue(ctx context.Context, t Target) (Step, error) {
	return Step{}, errors.ErrUnsupported
}

// Cancel is Continue, but if the action waits for the health of objects, it fails with
// cause instead. It does not cut hooks short.
func (r *Releaser) Cancel(ctx context.Context, t Target, cause error) (Step, error) {
	return Step{}, errors.ErrUnsupported
}
