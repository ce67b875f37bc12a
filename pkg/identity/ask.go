package identity

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// asking is one request with the identity that is to be used.
type asking struct {
	*Clouds
	Request
	// account is nil for the identity of the process.
	account *account
}

// account is a ServiceAccount of the cluster.
type account struct {
	namespace, name string
	annotations     map[string]string
}

func (a *account) String() string { return a.namespace + "/" + a.name }

// ask finds out whose identity r is about.
func (c *Clouds) ask(ctx context.Context, r Request) (*asking, error) {
	switch {
	case c == nil:
		return nil, fmt.Errorf("%w: identities of clouds are not available", ErrConfig)
	case !slices.Contains([]Provider{AWS, Azure, GCP}, r.Provider):
		return nil, fmt.Errorf("%w: %q is none of the providers aws, azure, gcp", ErrConfig, r.Provider)
	}
	a := &asking{Clouds: c, Request: r}
	name := cmp.Or(r.ServiceAccount, r.DefaultAccount)
	if name == "" {
		return a, nil
	}
	if !c.options.ObjectLevel || c.options.Accounts == nil {
		return nil, fmt.Errorf("%w: it is needed for service accounts", ErrObjectLevelDisabled)
	}
	a.account = &account{namespace: r.Namespace, name: name}
	annotations, found, err := c.options.Accounts.ServiceAccount(ctx, r.Namespace, name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed to get service account '%s': %w", a.account, err)
	case !found && r.ServiceAccount == "":
		return nil, fmt.Errorf("failed to get service account '%s': %w", a.account, ErrNoDefaultAccount)
	case !found:
		return nil, fmt.Errorf("failed to get service account '%s': %w", a.account, ErrNoAccount)
	}
	a.account.annotations = annotations
	return a, nil
}

// token returns a token of the ServiceAccount.
func (a *asking) token(ctx context.Context, audience string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	audiences := a.Audiences
	if len(audiences) == 0 {
		audiences = []string{audience}
	}
	token, err := a.options.Accounts.ServiceAccountToken(ctx, a.account.namespace, a.account.name, audiences)
	if err != nil {
		return "", fmt.Errorf("failed to create kubernetes token for service account '%s': %w", a.account, err)
	}
	return token, nil
}

// key names credentials by everything that shapes them: who asks, by which way,
// and what for.
func (a *asking) key(what ...string) string {
	parts := []string{string(a.Provider), a.STSEndpoint}
	if a.Proxy != nil {
		parts = append(parts, "proxy", a.Proxy.String())
	}
	if a.account != nil {
		parts = append(parts, "account", a.account.namespace, a.account.name)
		for _, annotation := range annotations {
			parts = append(parts, a.account.annotations[annotation])
		}
		if len(a.Audiences) > 0 {
			parts = append(append(parts, "audiences"), a.Audiences...)
		}
	}
	return digest(append(parts, what...)...)
}

// annotations are those of a ServiceAccount that say who it is in a cloud.
var annotations = []string{
	annotationRole, annotationTenant, annotationClient, annotationEmail, annotationPool,
}

// registryHost returns the host of host/path.
func registryHost(repository string) string {
	host, _, _ := strings.Cut(repository, "/")
	return host
}
