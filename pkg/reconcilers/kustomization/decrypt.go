package kustomization

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/decrypt"
)

// providerSOPS is the one provider of decryption.
const providerSOPS = "sops"

// decryptable refuses what spec.decryption asks for and cannot have.
func (p *pass) decryptable() error {
	d := p.obj.Spec.Decryption
	switch {
	case d == nil:
		return nil
	case d.Provider != providerSOPS:
		return fault.Stalled(api.ReasonBuildFailed, fmt.Errorf("spec.decryption.provider: %q is not supported", d.Provider))
	case d.ServiceAccountName != "" && !p.options.ObjectLevelIdentity:
		return fault.Stalled(api.ReasonFeatureGateDisabled, errors.New("to use spec.decryption.serviceAccountName for decryption "+
			"authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"))
	}
	return nil
}

// keySecret names the Secret with the keys of obj, if it has one, and says whether
// that is the one of the process, which counts where obj names none.
func (r *reconciler) keySecret(obj *v1.Kustomization) (namespace, name string, global bool) {
	switch {
	case obj.Spec.Decryption == nil:
		return "", "", false
	case obj.Spec.Decryption.SecretRef != nil:
		return obj.Namespace, obj.Spec.Decryption.SecretRef.Name, false
	}
	return r.options.AgeSecret.Namespace, r.options.AgeSecret.Name, true
}

// decrypter returns what decrypts for the object, and a digest of its keys.
func (p *pass) decrypter(ctx context.Context) (*decrypt.Decrypter, render.Inputs, error) {
	namespace, name, global := p.keySecret(p.obj)
	secret := decrypt.Secret{Name: namespace + "/" + name, OnlyAge: global}
	if name != "" {
		data, _, err := p.configs.Secret(ctx, namespace, name)
		if err != nil && !apierrors.IsNotFound(err) {
			err = fmt.Errorf("cannot get %s decryption Secret '%s': %w", providerSOPS, secret.Name, err)
		}
		if err != nil {
			return nil, render.Inputs{}, err
		}
		secret.Data = data
	}
	access := decrypt.Access{
		Services: p.options.KeyServices, Kind: api.KustomizationKind, Namespace: p.obj.Namespace, Name: p.obj.Name,
		ServiceAccount: cmp.Or(p.obj.Spec.Decryption.ServiceAccountName, p.options.DecryptionAccount),
	}
	access.Vault = p.vaultLogin(access.ServiceAccount)
	return decrypt.New(secret, access), secret.Inputs().With(access.Inputs()), nil
}
