package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/identity"
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

// authenticate adds the credentials: those of the Secret, or those that a cloud
// gives to an identity. The certificates of the Secret count in either case.
func (a *one) authenticate(ctx context.Context, remote *git.Remote, u *url.URL) error {
	provider := a.obj.GetProvider()
	cloud := provider == v1.GitProviderAWS || provider == v1.GitProviderAzure
	if ref := a.obj.Spec.SecretRef; ref != nil {
		secret, err := a.Secret(ctx, "spec.secretRef", ref)
		if err != nil {
			return err
		}
		if err := a.secretAuth(ctx, remote, u, secret); err != nil {
			return err
		}
	}
	switch {
	case cloud:
		return a.cloudAuth(ctx, remote, u)
	case a.obj.Spec.SecretRef != nil:
		return nil
	case provider == v1.GitProviderGitHub:
		return a.Stalled(api.ReasonInvalidProviderConfiguration,
			errors.New("spec.secretRef: the provider github needs a Secret with the data of a GitHub App"))
	case u.Scheme == "ssh":
		return a.AuthFailed(ctx, errors.New("spec.secretRef: SSH needs a Secret with identity and known_hosts"))
	}
	return nil
}

// secretAuth adds what a Secret holds.
func (a *one) secretAuth(ctx context.Context, remote *git.Remote, u *url.URL, secret attempt.Secret) error {
	data, where, provider := secret.Data, secret.Where, a.obj.GetProvider()
	var err error
	if remote.TLS, err = attempt.TLSOf(certificates(data)); err != nil {
		return a.AuthFailed(ctx, fmt.Errorf("%s: %w", where, err))
	}
	_, isApp := data["githubAppID"]
	switch {
	case isApp != (provider == v1.GitProviderGitHub):
		return a.Refused(ctx, api.ReasonInvalidProviderConfiguration,
			fmt.Errorf("%s: the data of a GitHub App and the provider github need each other", where))
	case isApp:
		err = a.appAuth(ctx, remote, data)
	case provider != v1.GitProviderGeneric: // the credentials are those of the cloud
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

// appAuth adds a token of a GitHub App, one that is kept if there is one.
func (a *one) appAuth(ctx context.Context, remote *git.Remote, data map[string][]byte) error {
	app, err := git.ParseApp(data)
	if err != nil {
		return err
	}
	request := a.Identity("", "", remote.Proxy)
	token, err := a.Clouds.Keep(ctx, request, attempt.DigestOf(data), func(ctx context.Context) (identity.Token, error) {
		value, ends, err := app.Token(ctx, remote)
		return identity.Token{Value: value, Expires: ends}, err
	})
	remote.Auth = app.Login(token.Value)
	return err
}

// certificates returns the data of a Secret without the older names of a client's
// certificate and key, which never counted for Git.
func certificates(data map[string][]byte) map[string][]byte {
	data = maps.Clone(data)
	delete(data, "certFile")
	delete(data, "keyFile")
	return data
}

// cloudAuth adds the credentials of an identity. They replace those in the URL,
// which clouds suggest there.
func (a *one) cloudAuth(ctx context.Context, remote *git.Remote, u *url.URL) error {
	plain := *u
	plain.User = nil
	login, err := a.Clouds.Git(ctx, a.Identity(a.obj.GetProvider(), a.obj.Spec.ServiceAccountName, remote.Proxy), &plain)
	if err != nil {
		return a.IdentityFailed(ctx, fmt.Errorf("spec.provider: %s: %w", a.obj.GetProvider(), err))
	}
	remote.URL = plain.String()
	remote.Auth = git.Auth{Username: login.Username, Password: login.Password, BearerToken: login.BearerToken}
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
