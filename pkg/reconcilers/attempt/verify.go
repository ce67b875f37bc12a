package attempt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/sources/signature"
)

// Verification is what the spec of an object says about signatures in registries, and
// what else is needed to check them.
type Verification struct {
	v1.OCIRepositoryVerification
	// Root returns what is trusted of the public Sigstore instance; nil is nothing.
	Root func(context.Context) (*signature.Root, error)
	// Revocations returns the way to those who know which certificates of signers were
	// revoked: not with the certificates that are meant for the registry.
	Revocations func() http.RoundTripper
}

// The keys of Secrets that hold a trusted root and a trust policy.
const (
	rootKey   = "trusted_root.json"
	policyKey = "trustpolicy.json"
)

var (
	errNoRoot  = errors.New("spec.verify.trustedRootSecretRef: there is no trusted root of the public Sigstore instance, so that one has to be given, or a Secret with keys")
	errNoTrust = errors.New("spec.verify.secretRef: the provider notation needs a Secret")
)

// By returns who is to have signed, for messages.
func (v Verification) By() string {
	if v.SecretRef == nil {
		return v.provider() + " keyless"
	}
	return v.provider()
}

func (v Verification) provider() string { return cmp.Or(v.Provider, v1.VerifierCosign) }

// Verifier returns what checks signatures as the spec says. Errors name the field; they
// are all a matter of verification, a missing Secret as well.
func (a *Attempt) Verifier(ctx context.Context, v Verification) (signature.Verifier, error) {
	switch p := v.provider(); {
	case p != v1.VerifierCosign && p != v1.VerifierNotation:
		return nil, fmt.Errorf("spec.verify.provider: %q is neither cosign nor notation", v.Provider)
	case v.SecretRef == nil && p == v1.VerifierNotation:
		return nil, errNoTrust
	case v.SecretRef == nil:
		return a.keyless(ctx, v)
	}
	data, where, err := a.trusted(ctx, "spec.verify.secretRef", v.SecretRef)
	if err != nil {
		return nil, err
	}
	verifier, err := v.withKeys(data)
	return verifier, within(where, err)
}

// withKeys returns what the data of a Secret describe.
func (v Verification) withKeys(data map[string][]byte) (signature.Verifier, error) {
	if v.provider() == v1.VerifierCosign {
		return signature.CosignKeys(KeysEnding(data, ".pub"))
	}
	policy, ok := data[policyKey]
	if !ok {
		return nil, fmt.Errorf("the key %s is missing", policyKey)
	}
	return signature.Notation(policy, KeysEnding(data, ".crt", ".pem"), v.Revocations())
}

func (a *Attempt) keyless(ctx context.Context, v Verification) (signature.Verifier, error) {
	root, err := a.root(ctx, v)
	if err != nil {
		return nil, err
	}
	var identities []signature.Identity
	for _, one := range v.MatchOIDCIdentity {
		identities = append(identities, signature.Identity{Issuer: one.Issuer, Subject: one.Subject})
	}
	verifier, err := signature.CosignKeyless(root, identities)
	return verifier, within("spec.verify.matchOIDCIdentity", err)
}

// root returns the trusted root of the object, or that of the public instance.
func (a *Attempt) root(ctx context.Context, v Verification) (*signature.Root, error) {
	if v.TrustedRootSecretRef == nil {
		if v.Root == nil {
			return nil, errNoRoot
		}
		return v.Root(ctx)
	}
	data, where, err := a.trusted(ctx, "spec.verify.trustedRootSecretRef", v.TrustedRootSecretRef)
	if err != nil {
		return nil, err
	}
	raw, ok := data[rootKey]
	if !ok {
		return nil, fmt.Errorf("%s: the key %s is missing", where, rootKey)
	}
	root, err := signature.ParseRoot(raw)
	return root, within(where, err)
}

// trusted reads a Secret with what is to be trusted.
func (a *Attempt) trusted(ctx context.Context, field string, ref *api.LocalObjectReference) (data map[string][]byte, where string, err error) {
	where = fmt.Sprintf("%s: Secret %s/%s", field, a.Owner.Namespace, ref.Name)
	data, _, err = a.Secrets.Secret(ctx, a.Owner.Namespace, ref.Name)
	return data, where, within(where, err)
}

func within(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}
