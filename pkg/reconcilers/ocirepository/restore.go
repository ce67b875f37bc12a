package ocirepository

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/fluxd/fluxd/pkg/sources/oci"
)

// errMoved says that a recorded artifact cannot be had any more.
var errMoved = errors.New("the recorded artifact cannot be restored")

// answered says whether a failure leaves the hope that the registry can be asked for
// something else.
func answered(err error) bool {
	_, broken := errors.AsType[*url.Error](err)
	return !broken && !errors.Is(err, oci.ErrTimeout)
}

// restore gets the recorded artifact for its consumers where memory is cold and the
// wanted one cannot be had. What comes of it is no part of how the attempt ends.
func (a *one) restore(ctx context.Context, remote *remote) {
	recorded := a.obj.Status.Artifact
	if recorded == nil || recorded.Revision == a.sought || !a.observed() {
		return // there is none, or none but what has just failed
	}
	ctx, cancel := context.WithTimeout(ctx, a.obj.GetTimeout())
	defer cancel()
	_ = a.refetch(ctx, remote)
}

// refill loads the recorded artifact of a suspended object into memory and touches no
// status.
func (a *one) refill(ctx context.Context) error {
	if a.obj.Status.Artifact == nil || a.Stored() {
		return nil
	}
	before := a.obj.Status.DeepCopy()
	defer func() { a.obj.Status = *before }()
	ctx, cancel := context.WithTimeout(ctx, a.obj.GetTimeout())
	defer cancel()
	remote, err := a.remote(ctx)
	if err != nil {
		return err
	}
	defer remote.close()
	return a.refetch(ctx, remote)
}

// refetch stores the recorded artifact again, if it still verifies and is what it was.
func (a *one) refetch(ctx context.Context, remote *remote) error {
	recorded := a.obj.Status.Artifact
	if a.Stored() {
		return nil
	}
	version, err := oci.ParseRevision(recorded.Revision)
	if err != nil {
		return err
	}
	if a.obj.Spec.Verify != nil {
		if _, err := a.check(ctx, remote, version); err != nil {
			return err
		}
	}
	p, err := a.pull(ctx, remote, version)
	if err != nil {
		return err
	}
	if got := p.tree.Digest(); got != recorded.Digest {
		return fmt.Errorf("the revision %s now has the digest %s: %w", recorded.Revision, got, errMoved)
	}
	_, err = a.Store.Put(a.Owner, recorded.Revision, p.tree, recorded.Metadata)
	return err
}
