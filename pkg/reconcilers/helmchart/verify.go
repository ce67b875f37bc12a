package helmchart

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/transport"
)

// verify checks the signature of a chart, each time. What is stored stays if it does
// not hold.
func (a *one) verify(ctx context.Context, repository *oci.Repository, digest, version string) error {
	how := a.verification()
	verifier, err := a.Verifier(ctx, how)
	if err != nil {
		return a.Unverified(ctx, api.ReasonVerificationError, err)
	}
	outcome, err := verifier.Verify(ctx, repository, signature.Subject{Repository: repository.Name().String(), Digest: digest})
	switch {
	case err != nil:
		err = fmt.Errorf("failed to verify the signature using provider '%s': %w", how.By(), err)
		_ = a.buildFailed(ctx, api.ReasonChartVerificationError, "chart verification error", err)
		return a.Unverified(ctx, api.ReasonVerificationError, err) // Ready says what the signature does
	case outcome == signature.Ignored:
		a.Drop(api.ConditionSourceVerified)
	default:
		a.Set(api.ConditionSourceVerified, true, api.ReasonSucceeded, fmt.Sprintf("verified signature of version %s", version))
	}
	return nil
}

// verification returns what spec.verify says.
func (a *one) verification() attempt.Verification {
	v := a.obj.Spec.Verify
	return attempt.Verification{
		OCIRepositoryVerification: v1.OCIRepositoryVerification{
			Provider: v.Provider, SecretRef: v.SecretRef, MatchOIDCIdentity: v.MatchOIDCIdentity,
		},
		Root: a.options.Root,
		Revocations: func() http.RoundTripper {
			t := a.Transport(transport.Options{})
			a.later(t.Close)
			return t
		},
	}
}
