package helmchart

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/transport"
)

// policyKey is the key of the Secret that holds a trust policy.
const policyKey = "trustpolicy.json"

var (
	errNoRoot  = errors.New("spec.verify: there is no trusted root of the public Sigstore instance, so that a Secret with keys has to be given")
	errNoTrust = errors.New("spec.verify.secretRef: the provider notation needs a Secret")
)

// verify checks the signature of a chart, each time. What is stored stays if it does
// not hold.
func (a *one) verify(ctx context.Context, repository *oci.Repository, digest, version string) error {
	verifier, err := a.verifier(ctx)
	if err != nil {
		return a.Unverified(ctx, api.ReasonVerificationError, err)
	}
	outcome, err := verifier.Verify(ctx, repository, signature.Subject{Repository: repository.Name().String(), Digest: digest})
	switch {
	case err != nil:
		who := a.provider()
		if a.obj.Spec.Verify.SecretRef == nil {
			who += " keyless"
		}
		err = fmt.Errorf("failed to verify the signature using provider '%s': %w", who, err)
		_ = a.buildFailed(ctx, api.ReasonChartVerificationError, "chart verification error", err)
		return a.Unverified(ctx, api.ReasonVerificationError, err) // Ready says what the signature does
	case outcome == signature.Ignored:
		a.Drop(api.ConditionSourceVerified)
	default:
		a.Set(api.ConditionSourceVerified, true, api.ReasonSucceeded, fmt.Sprintf("verified signature of version %s", version))
	}
	return nil
}

// provider returns who is to have signed.
func (a *one) provider() string { return cmp.Or(a.obj.Spec.Verify.Provider, v1.VerifierCosign) }

// verifier returns what spec.verify describes.
func (a *one) verifier(ctx context.Context) (signature.Verifier, error) {
	spec, provider := a.obj.Spec.Verify, a.provider()
	switch {
	case provider != v1.VerifierCosign && provider != v1.VerifierNotation:
		return nil, fmt.Errorf("spec.verify.provider: %q is neither cosign nor notation", provider)
	case spec.SecretRef == nil && provider == v1.VerifierNotation:
		return nil, errNoTrust
	case spec.SecretRef == nil:
		return a.keyless(ctx, spec.MatchOIDCIdentity)
	}
	where := fmt.Sprintf("spec.verify.secretRef: Secret %s/%s", a.Owner.Namespace, spec.SecretRef.Name)
	data, _, err := a.Secrets.Secret(ctx, a.Owner.Namespace, spec.SecretRef.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	verifier, err := a.withKeys(provider, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return verifier, nil
}

// withKeys returns what the data of a Secret describe. Questions about revoked
// certificates do not go out with those that are meant for the registry.
func (a *one) withKeys(provider string, data map[string][]byte) (signature.Verifier, error) {
	if provider == v1.VerifierCosign {
		return signature.CosignKeys(attempt.KeysEnding(data, ".pub"))
	}
	policy, ok := data[policyKey]
	if !ok {
		return nil, fmt.Errorf("the key %s is missing", policyKey)
	}
	t := a.Transport(transport.Options{})
	a.later(t.Close)
	return signature.Notation(policy, attempt.KeysEnding(data, ".crt", ".pem"), t)
}

func (a *one) keyless(ctx context.Context, who []v1.OIDCIdentityMatch) (signature.Verifier, error) {
	if a.options.Root == nil {
		return nil, errNoRoot
	}
	root, err := a.options.Root(ctx)
	if err != nil {
		return nil, err
	}
	var identities []signature.Identity
	for _, one := range who {
		identities = append(identities, signature.Identity{Issuer: one.Issuer, Subject: one.Subject})
	}
	verifier, err := signature.CosignKeyless(root, identities)
	if err != nil {
		return nil, fmt.Errorf("spec.verify.matchOIDCIdentity: %w", err)
	}
	return verifier, nil
}
