package gitrepository

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// remote returns how to reach the repository, from spec and its Secrets.
func (a *attempt) remote(ctx context.Context) (*git.Remote, error) {
	spec := a.obj.Spec
	u, err := url.Parse(spec.URL)
	if err != nil || u.Host == "" {
		return nil, a.stalled(api.ReasonURLInvalid, fmt.Errorf("spec.url: %q is not the URL of a repository", redactURL(spec.URL)))
	}
	remote := &git.Remote{
		URL: spec.URL, Limits: a.options.Limits, Memory: a.options.Headroom.Share(),
		KeyExchanges: a.options.KeyExchanges, HostKeyAlgorithms: a.options.HostKeyAlgorithms,
	}
	if ref := spec.ProxySecretRef; ref != nil {
		data, err := a.secret(ctx, "spec.proxySecretRef", ref.Name)
		if err != nil {
			return nil, err
		}
		if remote.Proxy, err = proxyURL(data); err != nil {
			return nil, a.authFailed(fmt.Errorf("spec.proxySecretRef: Secret %s/%s: %w", a.obj.Namespace, ref.Name, err))
		}
	}
	return remote, a.authenticate(ctx, remote, u)
}

// authenticate adds the credentials.
func (a *attempt) authenticate(ctx context.Context, remote *git.Remote, u *url.URL) error {
	spec := a.obj.Spec
	switch provider := a.obj.GetProvider(); provider {
	case v1.GitProviderGeneric, v1.GitProviderGitHub:
	default:
		return a.stalled(api.ReasonInvalidProviderConfiguration,
			fmt.Errorf("spec.provider: %s identities are not supported yet, use a Secret with the provider generic", provider))
	}
	if spec.SecretRef == nil {
		if a.obj.GetProvider() == v1.GitProviderGitHub {
			return a.stalled(api.ReasonInvalidProviderConfiguration,
				errors.New("spec.secretRef: the provider github needs a Secret with the data of a GitHub App"))
		}
		if u.Scheme == "ssh" {
			return a.authFailed(errors.New("spec.secretRef: SSH needs a Secret with identity and known_hosts"))
		}
		return nil
	}
	data, err := a.secret(ctx, "spec.secretRef", spec.SecretRef.Name)
	if err != nil {
		return err
	}
	where := fmt.Sprintf("spec.secretRef: Secret %s/%s", a.obj.Namespace, spec.SecretRef.Name)
	if remote.TLS, err = tlsConfig(data); err != nil {
		return a.authFailed(fmt.Errorf("%s: %w", where, err))
	}
	_, isApp := data["githubAppID"]
	switch {
	case isApp != (a.obj.GetProvider() == v1.GitProviderGitHub):
		return a.refused(api.ReasonInvalidProviderConfiguration,
			fmt.Errorf("%s: the data of a GitHub App and the provider github need each other", where))
	case isApp:
		err = a.apps.Authenticate(ctx, remote, data)
	case u.Scheme == "ssh":
		err = sshAuth(remote, data)
	default:
		remote.Auth.Username, remote.Auth.Password = string(data["username"]), string(data["password"])
		if token, ok := data["bearerToken"]; ok {
			remote.Auth = git.Auth{BearerToken: string(token)}
		}
	}
	if err != nil {
		return a.authFailed(fmt.Errorf("%s: %w", where, err))
	}
	return nil
}

func (a *attempt) secret(ctx context.Context, field, name string) (map[string][]byte, error) {
	data, _, err := a.secrets.Secret(ctx, a.obj.Namespace, name)
	if err != nil {
		return nil, a.authFailed(fmt.Errorf("%s: failed to get secret '%s/%s': %w", field, a.obj.Namespace, name, err))
	}
	return data, nil
}

func (a *attempt) authFailed(err error) error {
	return a.refused(api.ReasonAuthenticationFailed, err)
}

// stalled and refused set FetchFailed and classify.
func (a *attempt) stalled(reason string, err error) error {
	a.set(api.ConditionFetchFailed, true, reason, err.Error())
	return fault.Stalled(reason, err)
}

func (a *attempt) refused(reason string, err error) error {
	a.set(api.ConditionFetchFailed, true, reason, err.Error())
	return fault.Backoff(reason, err)
}

func sshAuth(remote *git.Remote, data map[string][]byte) error {
	for _, key := range []string{"identity", "known_hosts"} {
		if len(data[key]) == 0 {
			return fmt.Errorf("the key %s is missing or empty", key)
		}
	}
	if err := git.CheckKnownHosts(data["known_hosts"]); err != nil {
		return fmt.Errorf("known_hosts: %w", err)
	}
	remote.Auth = git.Auth{
		Identity: data["identity"], Passphrase: string(data["password"]), KnownHosts: data["known_hosts"],
	}
	return nil
}

// tlsConfig returns the TLS settings of a Secret, nil if it has none. Its
// authorities are added to those of the system.
func tlsConfig(data map[string][]byte) (*tls.Config, error) {
	ca := first(data, "ca.crt", "caFile")
	cert, key := data["tls.crt"], data["tls.key"]
	if (len(cert) == 0) != (len(key) == 0) {
		return nil, errors.New("tls.crt and tls.key need each other")
	}
	if len(ca) == 0 && len(cert) == 0 {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the root certificates of the system: %w", err)
		}
		if !roots.AppendCertsFromPEM(ca) {
			return nil, errors.New("ca.crt holds no certificate")
		}
		config.RootCAs = roots
	}
	if len(cert) > 0 {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, errors.New("tls.crt and tls.key are not a certificate and its key")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func first(data map[string][]byte, keys ...string) []byte {
	for _, key := range keys {
		if value := data[key]; len(value) > 0 {
			return value
		}
	}
	return nil
}

// maxProxyURL is the longest address of a proxy, in characters.
const maxProxyURL = 2048

func proxyURL(data map[string][]byte) (*url.URL, error) {
	address := string(data["address"])
	if address == "" {
		return nil, errors.New("the key address is missing or empty")
	}
	if len(address) > maxProxyURL {
		return nil, fmt.Errorf("address has more than %d characters", maxProxyURL)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("address is not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5":
	default:
		return nil, fmt.Errorf("address has the scheme %q, which is none of http, https, socks5", u.Scheme)
	}
	if user := string(data["username"]); user != "" {
		u.User = url.User(user)
		if password, ok := data["password"]; ok {
			u.User = url.UserPassword(user, string(password))
		}
	}
	return u, nil
}

// redactURL returns a URL without what might be a password in it.
func redactURL(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Redacted()
	}
	return "<unparsable>"
}
