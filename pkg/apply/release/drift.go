package release

import (
	"context"
	"errors"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

// Difference is how an object of a release differs from what the release says.
type Difference string

// The differences.
const (
	Removed  Difference = "removed"
	Changed  Difference = "changed"
	Excluded Difference = "excluded" // a mark takes the object out of the comparison
)

// Drift is one object that differs.
type Drift struct {
	apply.Entry
	Difference Difference
	// Additions, Changes and Removals count the fields, of one that is changed.
	Additions, Changes, Removals int
}

// Watch is what is compared, and how.
type Watch struct {
	// Version is the revision, as it was last observed.
	Version int
	// Ignore are the rules of spec.driftDetection.ignore.
	Ignore []api.IgnoreRule
	// Resync compares every object with the server, whatever is remembered.
	Resync bool
}

// Drift compares the objects of a revision with the cluster, and has the owner woken
// when one of them changes from now on. Where they can be watched and nothing has
// changed since the last time, it makes no request. It returns what differs, sorted.
func (r *Releaser) Drift(ctx context.Context, t Target, w Watch) ([]Drift, error) {
	return nil, errors.ErrUnsupported
}

// Correct sets back what differs, in the order of its kinds, and goes on behind
// errors. It returns what it did, with an error that has a line per object.
func (r *Releaser) Correct(ctx context.Context, t Target, w Watch) (apply.Changes, error) {
	return nil, errors.ErrUnsupported
}

// Unwatch ends what Drift and the actions have watched for an owner.
func (r *Releaser) Unwatch(t Target) {}
