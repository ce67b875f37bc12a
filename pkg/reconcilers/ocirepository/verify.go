package ocirepository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
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
	verifier, err := a.verifier(ctx, remote)
	if err != nil {
		return 0, err
	}
	about := signature.Subject{Repository: remote.Name().String(), Digest: version.Digest}
	outcome, err := verifier.Verify(ctx, remote, about)
	if err != nil {
		who := provider(a.obj.Spec.Verify)
		if a.obj.Spec.Verify.SecretRef == nil {
			who += " keyless"
		}
		return 0, fmt.Errorf("the signature of '%s@%s' does not verify with the provider '%s': %w", a.obj.Spec.URL, version.Digest, who, err)
	}
	return outcome, nil
}

// verifier returns what spec.verify describes.
func (a *one) verifier(ctx context.Context, remote *remote) (signature.Verifier, error) {
	v := a.obj.Spec.Verify
	switch {
	case provider(v) == v1.VerifierNotation:
		return a.notation(ctx, v, remote.revocation)
	case provider(v) != v1.VerifierCosign:
		return nil, fmt.Errorf("spec.verify.provider: %q is neither cosign nor notation", v.Provider)
	case v.SecretRef == nil:
		return a.keyless(ctx, v)
	}
	data, where, err := a.material(ctx, "spec.verify.secretRef", v.SecretRef)
	if err != nil {
		return nil, err
	}
	verifier, err := signature.CosignKeys(attempt.KeysEnding(data, ".pub"))
	return verifier, within(where, err)
}

func (a *one) keyless(ctx context.Context, v *v1.OCIRepositoryVerification) (signature.Verifier, error) {
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

// rootKey is the key of the Secret that holds a trusted root.
const rootKey = "trusted_root.json"

var errNoRoot = errors.New("spec.verify.trustedRootSecretRef: there is no trusted root of the public Sigstore instance, so that one has to be given")

// root returns the trusted root of the object, or that of the public instance.
func (a *one) root(ctx context.Context, v *v1.OCIRepositoryVerification) (*signature.Root, error) {
	if v.TrustedRootSecretRef == nil {
		if a.options.Root == nil {
			return nil, errNoRoot
		}
		return a.options.Root(ctx)
	}
	data, where, err := a.material(ctx, "spec.verify.trustedRootSecretRef", v.TrustedRootSecretRef)
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

// material reads a Secret with what is to be trusted. Unlike other Secrets, a missing
// one is a matter of verification.
func (a *one) material(ctx context.Context, field string, ref *api.LocalObjectReference) (data map[string][]byte, where string, err error) {
	where = fmt.Sprintf("%s: Secret %s/%s", field, a.Owner.Namespace, ref.Name)
	data, _, err = a.Secrets.Secret(ctx, a.Owner.Namespace, ref.Name)
	return data, where, within(where, err)
}

// provider returns who signed, for messages.
func provider(v *v1.OCIRepositoryVerification) string { return cmp.Or(v.Provider, v1.VerifierCosign) }

func within(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

// verificationRemoved clears what an earlier spec.verify left behind.
func (a *one) verificationRemoved() {
	if a.obj.Spec.Verify == nil {
		a.Drop(api.ConditionSourceVerified)
	}
}

// policyKey is the key of the Secret that holds a trust policy.
const policyKey = "trustpolicy.json"

// notation returns what a trust policy and its certificates describe. Questions about
// revoked certificates go the way that the object's other requests go, but not with the
// certificates that are meant for the registry.
func (a *one) notation(ctx context.Context, v *v1.OCIRepositoryVerification, t http.RoundTripper) (signature.Verifier, error) {
	if v.SecretRef == nil {
		return nil, errors.New("spec.verify.secretRef: the provider notation needs a Secret")
	}
	data, where, err := a.material(ctx, "spec.verify.secretRef", v.SecretRef)
	if err != nil {
		return nil, err
	}
	policy, ok := data[policyKey]
	if !ok {
		return nil, fmt.Errorf("%s: the key %s is missing", where, policyKey)
	}
	verifier, err := signature.Notation(policy, attempt.KeysEnding(data, ".crt", ".pem"), t)
	return verifier, within(where, err)
}
