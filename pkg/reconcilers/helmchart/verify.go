package helmchart

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/sources/oci"
)

// Trust is what a signature is checked against.
type Trust struct {
	// Provider is cosign or notation.
	Provider string
	// Secret holds the data of the Secret that spec.verify names, nil without one.
	Secret map[string][]byte
	// Identities are who may have signed without a key.
	Identities []v1.OIDCIdentityMatch
}

// Verifier checks the signature of a manifest. Verified is false where what is
// trusted does not insist on a valid one.
type Verifier interface {
	Verify(ctx context.Context, r *oci.Repository, digest string, t Trust) (verified bool, err error)
}

// errNoVerifier keeps charts from being taken for verified.
var errNoVerifier = errors.New("signatures cannot be verified by this program")

// verify checks the signature of a chart. What is stored stays if it does not hold.
func (a *one) verify(ctx context.Context, repository *oci.Repository, digest, version string) error {
	spec := a.obj.Spec.Verify
	trust := Trust{Provider: spec.Provider, Identities: spec.MatchOIDCIdentity}
	if spec.SecretRef != nil {
		data, _, err := a.Secrets.Secret(ctx, a.obj.Namespace, spec.SecretRef.Name)
		if err != nil {
			return a.Unverified(ctx, api.ReasonVerificationError,
				fmt.Errorf("spec.verify.secretRef: failed to get secret '%s/%s': %w", a.obj.Namespace, spec.SecretRef.Name, err))
		}
		trust.Secret = data
	}
	verified, err := false, errNoVerifier
	if a.verifier != nil {
		verified, err = a.verifier.Verify(ctx, repository, digest, trust)
	}
	if err != nil {
		provider := spec.Provider
		if provider == v1.VerifierCosign && spec.SecretRef == nil {
			provider += " keyless"
		}
		err = fmt.Errorf("failed to verify the signature using provider '%s': %w", provider, err)
		_ = a.Unverified(ctx, api.ReasonVerificationError, err) // the build says it again
		return a.buildFailed(ctx, api.ReasonChartVerificationError, "chart verification error", err)
	}
	if verified {
		a.Set(api.ConditionSourceVerified, true, api.ReasonSucceeded, fmt.Sprintf("verified signature of version %s", version))
	}
	return nil
}
