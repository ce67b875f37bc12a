package attempt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
)

// Login is what the Secrets of a HelmRepository of the type default say.
type Login struct {
	Username, Password string
	// TLS is nil without any settings.
	TLS *tls.Config
	// Key is a digest of all that the Secrets hold: whoever has the same key may
	// read the same.
	Key string
}

// BasicAuth returns the credentials among the data of a Secret, which has both of
// them or none. Errors name the key.
func BasicAuth(data map[string][]byte) (username, password string, err error) {
	_, hasUsername := data["username"]
	_, hasPassword := data["password"]
	if hasUsername != hasPassword {
		return "", "", errors.New("username and password need each other")
	}
	return string(data["username"]), string(data["password"]), nil
}

// Login reads the Secrets that a HelmRepository of the namespace names. Before is
// what messages put before the names of its fields. TLS settings in secretRef count
// while certSecretRef is not set. Errors are classified.
func (a *Attempt) Login(ctx context.Context, before string, spec v1.HelmRepositorySpec) (Login, error) {
	var login Login
	var material []map[string][]byte
	if spec.SecretRef != nil {
		secret, err := a.Secret(ctx, before+"spec.secretRef", spec.SecretRef)
		if err != nil {
			return login, err
		}
		material = append(material, secret.Data)
		login.Username, login.Password, err = BasicAuth(secret.Data)
		if err == nil && spec.CertSecretRef == nil {
			login.TLS, err = TLSOf(secret.Data)
		}
		if err != nil {
			return login, a.AuthFailed(ctx, fmt.Errorf("%s: %w", secret.Where, err))
		}
	}
	if spec.CertSecretRef != nil {
		secret, err := a.Secret(ctx, before+"spec.certSecretRef", spec.CertSecretRef)
		if err != nil {
			return login, err
		}
		material = append(material, secret.Data)
		if login.TLS, err = TLSOf(secret.Data); err == nil && login.TLS == nil {
			err = errNoCertificates
		}
		if err != nil {
			return login, a.AuthFailed(ctx, fmt.Errorf("%s: %w", secret.Where, err))
		}
	}
	login.Key = DigestOf(material...)
	return login, nil
}
