package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// remote returns how to reach the repository, from spec and its Secrets.
func (a *one) remote(ctx context.Context) (*git.Remote, error) {
	spec := a.obj.Spec
	u, err := url.Parse(spec.URL)
	if err != nil || u.Host == "" {
		return nil, a.Stalled(api.ReasonURLInvalid, fmt.Errorf("spec.url: %q is not the URL of a repository", attempt.RedactURL(spec.URL)))
	}
	remote := &git.Remote{
		URL: spec.URL, Limits: a.Limits, Memory: a.Headroom.Share(),
		Hosts: a.Hosts, Received: a.Count,
		KeyExchanges: a.options.KeyExchanges, HostKeyAlgorithms: a.options.HostKeyAlgorithms,
	}
	if remote.Proxy, err = a.Proxy(ctx, spec.ProxySecretRef); err != nil {
		return nil, err
	}
	return remote, a.authenticate(ctx, remote, u)
}

// authenticate adds the credentials.
func (a *one) authenticate(ctx context.Context, remote *git.Remote, u *url.URL) error {
	spec := a.obj.Spec
	switch provider := a.obj.GetProvider(); provider {
	case v1.GitProviderGeneric, v1.GitProviderGitHub:
	default:
		return a.Stalled(api.ReasonInvalidProviderConfiguration,
			fmt.Errorf("spec.provider: %s identities are not supported yet, use a Secret with the provider generic", provider))
	}
	if spec.SecretRef == nil {
		if a.obj.GetProvider() == v1.GitProviderGitHub {
			return a.Stalled(api.ReasonInvalidProviderConfiguration,
				errors.New("spec.secretRef: the provider github needs a Secret with the data of a GitHub App"))
		}
		if u.Scheme == "ssh" {
			return a.AuthFailed(ctx, errors.New("spec.secretRef: SSH needs a Secret with identity and known_hosts"))
		}
		return nil
	}
	secret, err := a.Secret(ctx, "spec.secretRef", spec.SecretRef)
	if err != nil {
		return err
	}
	data, where := secret.Data, secret.Where
	if remote.TLS, err = attempt.TLSOf(data); err != nil {
		return a.AuthFailed(ctx, fmt.Errorf("%s: %w", where, err))
	}
	_, isApp := data["githubAppID"]
	switch {
	case isApp != (a.obj.GetProvider() == v1.GitProviderGitHub):
		return a.Refused(ctx, api.ReasonInvalidProviderConfiguration,
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
		return a.AuthFailed(ctx, fmt.Errorf("%s: %w", where, err))
	}
	return nil
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
