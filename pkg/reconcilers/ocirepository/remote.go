package ocirepository

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/transport"
)

// remote is the repository of an object, and what has to be closed after it.
type remote struct {
	*oci.Repository
	memory *artifacts.Share
	// transport is for the registry, revocation for those who know which certificates
	// of signers were revoked.
	transport, revocation *transport.Transport
	// access is a digest of what the right to read depends on, and of how the
	// registry is reached and known to be the right one.
	access string
}

func (r *remote) close() {
	r.memory.Leave()
	r.transport.Close()
	r.revocation.Close()
}

// remote returns how to reach the repository, from spec and its Secrets.
func (a *one) remote(ctx context.Context) (*remote, error) {
	spec := a.obj.Spec
	name, err := oci.ParseName(spec.URL)
	if err != nil {
		return nil, a.Stalled(api.ReasonURLInvalid, fmt.Errorf("spec.url: %w", err))
	}
	proxy, err := a.Proxy(ctx, spec.ProxySecretRef)
	if err != nil {
		return nil, err
	}
	certificates, err := a.Certificates(ctx, "spec.certSecretRef", spec.CertSecretRef)
	if err != nil {
		return nil, err
	}
	if certificates == nil && spec.Insecure {
		certificates = &tls.Config{InsecureSkipVerify: true} // this is what insecure says, here and nowhere else
	}
	keychain, err := a.keychain(ctx, name, proxy)
	if err != nil {
		return nil, err
	}
	r := &remote{
		memory: a.Headroom.Share(), transport: a.Transport(transport.Options{TLS: certificates, Proxy: proxy}),
		revocation: a.Transport(transport.Options{Proxy: proxy}), access: a.access(name, keychain.For(name)),
	}
	r.Repository, err = oci.Open(spec.URL, oci.Options{
		Keychain: keychain, Transport: r.transport, Insecure: spec.Insecure,
		Tokens: a.tokens, Limits: a.Limits, Memory: r.memory,
	})
	if err != nil {
		r.close()
		return nil, a.Stalled(api.ReasonURLInvalid, fmt.Errorf("spec.url: %w", err))
	}
	return r, nil
}

// access returns a digest of what lets an object read what it reads. With a proxy or
// certificates of one's own one may be talking to anybody, so that these are shared
// within a namespace alone.
func (a *one) access(name oci.Name, c oci.Credential) string {
	spec := a.obj.Spec
	facts := []any{name, c, spec.Insecure}
	if spec.ProxySecretRef != nil || spec.CertSecretRef != nil {
		facts = append(facts, a.Owner.Namespace, spec.ProxySecretRef, spec.CertSecretRef)
	}
	raw, err := json.Marshal(facts)
	if err != nil { // none of it can fail to be encoded
		raw = []byte(a.Owner.String())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// keychain returns the credentials: those of the pull secrets, or else those of the cloud.
func (a *one) keychain(ctx context.Context, name oci.Name, proxy *url.URL) (oci.Keychain, error) {
	keychain, some, err := a.pullSecrets(ctx)
	if err != nil || some {
		return keychain, err
	}
	provider := a.obj.Spec.Provider
	if provider == "" || provider == v1.OCIProviderGeneric {
		return nil, nil
	}
	request := a.Identity(provider, a.obj.Spec.ServiceAccountName, proxy)
	login, err := a.Clouds.Registry(ctx, request, name.String())
	if err != nil {
		return nil, a.IdentityFailed(ctx, fmt.Errorf("spec.provider: log in to %s: %w", name.Registry, err))
	}
	return oci.Static(name.Registry, oci.Credential{Username: login.Username, Password: login.Password}), nil
}

// pullSecrets returns the credentials of all pull secrets, and whether there are any.
func (a *one) pullSecrets(ctx context.Context) (all oci.Keychain, some bool, err error) {
	type reference struct {
		field string
		*api.LocalObjectReference
	}
	var refs []reference
	if ref := a.obj.Spec.SecretRef; ref != nil {
		refs = append(refs, reference{"spec.secretRef", ref})
	}
	if account := a.obj.Spec.ServiceAccountName; account != "" {
		names, found, err := a.accounts.PullSecrets(ctx, a.Owner.Namespace, account)
		if err == nil && !found {
			err = errNoAccount
		}
		if err != nil {
			return nil, false, a.AuthFailed(ctx, fmt.Errorf("spec.serviceAccountName: ServiceAccount %s/%s: %w", a.Owner.Namespace, account, err))
		}
		for _, name := range names {
			refs = append(refs, reference{"spec.serviceAccountName: imagePullSecrets", &api.LocalObjectReference{Name: name}})
		}
	}
	for _, ref := range refs {
		keychain, err := a.pullSecret(ctx, ref.field, ref.LocalObjectReference)
		if err != nil {
			return nil, false, err
		}
		all = append(all, keychain...)
	}
	return all, len(refs) > 0, nil
}

var errNoAccount = errors.New("it does not exist")

func (a *one) pullSecret(ctx context.Context, field string, ref *api.LocalObjectReference) (oci.Keychain, error) {
	secret, err := a.Secret(ctx, field, ref)
	if err != nil {
		return nil, err
	}
	keychain, err := oci.ParsePullSecret(secret.Data)
	if err != nil {
		return nil, a.AuthFailed(ctx, fmt.Errorf("%s: %w", secret.Where, err))
	}
	return keychain, nil
}
