package ocirepository

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/signature"
)

// mustVerify says whether a version has yet to pass the check that spec asks for: it is
// new, memory is cold, or the last check was of another spec or failed.
func (a *one) mustVerify(version oci.Version) bool {
	if a.obj.Spec.Verify == nil {
		return false
	}
	checked := conditions.Get(a.obj.Status.Conditions, api.ConditionSourceVerified)
	return !a.Stored() || a.obj.Status.Artifact.Revision != version.Revision() ||
		checked == nil || !a.IsTrue(api.ConditionSourceVerified) || checked.ObservedGeneration != a.obj.Generation
}

// verify checks the signature of a version where that is due.
func (a *one) verify(ctx context.Context, remote *remote, version oci.Version) error {
	if !a.mustVerify(version) {
		return nil
	}
	outcome, err := a.check(ctx, remote, version)
	if err != nil {
		return a.Unverified(ctx, api.ReasonVerificationError, err)
	}
	if outcome == signature.Ignored {
		a.Drop(api.ConditionSourceVerified)
		return nil
	}
	a.Set(api.ConditionSourceVerified, true, api.ReasonSucceeded, fmt.Sprintf("verified signature of revision %s", version.Revision()))
	return nil
}

// check checks the signature of a version.
func (a *one) check(ctx context.Context, remote *remote, version oci.Version) (signature.Outcome, error) {
	how := attempt.Verification{
		OCIRepositoryVerification: *a.obj.Spec.Verify, Root: a.options.Root,
		Revocations: func() http.RoundTripper { return remote.revocation },
	}
	verifier, err := a.Verifier(ctx, how)
	if err != nil {
		return 0, err
	}
	about := signature.Subject{Repository: remote.Name().String(), Digest: version.Digest}
	outcome, err := verifier.Verify(ctx, remote, about)
	if err != nil {
		return 0, fmt.Errorf("the signature of '%s@%s' does not verify with the provider '%s': %w", a.obj.Spec.URL, version.Digest, how.By(), err)
	}
	return outcome, nil
}

// verificationRemoved clears what an earlier spec.verify left behind.
func (a *one) verificationRemoved() {
	if a.obj.Spec.Verify == nil {
		a.Drop(api.ConditionSourceVerified)
	}
}
