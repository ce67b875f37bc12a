package identity

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	annotationTenant = "azure.workload.identity/tenant-id"
	annotationClient = "azure.workload.identity/client-id"
	azureAudience    = "api://AzureADTokenExchange"
	azureAuthority   = "https://login.microsoftonline.com/"
	// idPattern is that of tenants and applications, which become part of URLs.
	idPattern = `^[a-zA-Z0-9][a-zA-Z0-9.-]{0,99}$`
)

// The scopes of Azure that fluxd asks for.
const (
	ScopeStorage  = "https://storage.azure.com/.default"
	ScopeDevOps   = "499b84ac-1321-427f-aa17-267ca6975798/.default"
	scopeRegistry = "https://containerregistry.azure.net/.default"
)

// AzureApp is an application of Entra ID and how it proves who it is: by a secret,
// or else by a certificate.
type AzureApp struct {
	Tenant, Client string
	Secret         string
	// Certificate holds a certificate and its RSA key, in PEM form. SendChain
	// sends the certificates along, for applications that trust an issuer.
	Certificate []byte
	SendChain   bool
	// Authority is the beginning of the URL of the login server; empty means
	// what the environment says, or that of the public cloud.
	Authority string
}

// AzureAppToken returns a token of an application for a scope. Of r, only Proxy
// and For count.
func (c *Clouds) AzureAppToken(ctx context.Context, r Request, app AzureApp, scope string) (Token, error) {
	a := &asking{Clouds: c, Request: Request{Provider: Azure, Proxy: r.Proxy, For: r.For}}
	if app.Authority != "" {
		if u, err := url.Parse(app.Authority); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
			return Token{}, fmt.Errorf("%w: the authority host is not an https URL", ErrConfig)
		}
	}
	key := a.key("app", app.Tenant, app.Client, app.Secret, string(app.Certificate), fmt.Sprint(app.SendChain), app.Authority, scope)
	return obtain(ctx, a, key, func(ctx context.Context) (Token, time.Time, error) {
		token, err := a.azureLogin(ctx, app, "", scope)
		return token, token.Expires, err
	})
}

// AzureManaged returns a token of a managed identity of this machine, or of the
// only one that it has if client is empty. Of r, only For counts.
func (c *Clouds) AzureManaged(ctx context.Context, r Request, client, scope string) (Token, error) {
	a := &asking{Clouds: c, Request: Request{Provider: Azure, For: r.For}}
	return obtain(ctx, a, a.key("managed", client, scope), func(ctx context.Context) (Token, time.Time, error) {
		token, err := a.azureManaged(ctx, client, scope)
		return token, token.Expires, err
	})
}

// azureToken returns a token of the ServiceAccount's application, or of the
// process.
func (a *asking) azureToken(ctx context.Context, scope string) (Token, error) {
	var app AzureApp
	if a.account != nil {
		app.Tenant, app.Client = a.account.annotations[annotationTenant], a.account.annotations[annotationClient]
		for _, annotation := range []string{annotationTenant, annotationClient} {
			if !matches(idPattern, a.account.annotations[annotation]) {
				return Token{}, fmt.Errorf("%w: service account '%s': the annotation %s is not set or not an ID", ErrConfig, a.account, annotation)
			}
		}
	}
	return obtain(ctx, a, a.key("token", scope), func(ctx context.Context) (Token, time.Time, error) {
		token, err := a.newAzureToken(ctx, app, scope)
		return token, token.Expires, err
	})
}

func (a *asking) newAzureToken(ctx context.Context, app AzureApp, scope string) (Token, error) {
	if a.account == nil {
		return a.azureProcess(ctx, scope)
	}
	token, err := a.token(ctx, azureAudience)
	if err != nil {
		return Token{}, err
	}
	return a.azureLogin(ctx, app, token, scope)
}

// azureProcess returns a token of the process, from the first of the places that
// the SDK of Azure looks at in which there is something: an application in the
// environment, a workload identity, the machine.
func (a *asking) azureProcess(ctx context.Context, scope string) (Token, error) {
	env := a.options.Env
	app := AzureApp{
		Tenant: env("AZURE_TENANT_ID"), Client: env("AZURE_CLIENT_ID"), Secret: env("AZURE_CLIENT_SECRET"),
		SendChain: env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN") == "1" || strings.EqualFold(env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"), "true"),
	}
	named := app.Tenant != "" && app.Client != ""
	switch {
	case named && app.Secret != "":
		return a.azureLogin(ctx, app, "", scope)
	case named && env("AZURE_CLIENT_CERTIFICATE_PATH") != "":
		pem, err := a.file("AZURE_CLIENT_CERTIFICATE_PATH")
		if err != nil {
			return Token{}, err
		}
		app.Certificate = []byte(pem)
		return a.azureLogin(ctx, app, "", scope)
	case named && env("AZURE_FEDERATED_TOKEN_FILE") != "":
		token, err := a.file("AZURE_FEDERATED_TOKEN_FILE")
		if err != nil {
			return Token{}, err
		}
		return a.azureLogin(ctx, app, token, scope)
	}
	return a.azureManaged(ctx, app.Client, scope)
}

// azureLogin gets a token of an application, by the token of another issuer, a
// secret or a certificate:
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (a *asking) azureLogin(ctx context.Context, app AzureApp, federated, scope string) (Token, error) {
	if !matches(idPattern, app.Tenant) || !matches(idPattern, app.Client) {
		return Token{}, fmt.Errorf("%w: the IDs of the tenant or of the client are not usable", ErrConfig)
	}
	authority := app.Authority
	for _, other := range []string{a.options.Env("AZURE_AUTHORITY_HOST"), azureAuthority} {
		if authority == "" {
			authority = other
		}
	}
	endpoint := strings.TrimSuffix(authority, "/") + "/" + app.Tenant + "/oauth2/v2.0/token"
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.Client}, "scope": {scope}}
	if app.Secret != "" && federated == "" {
		form.Set("client_secret", app.Secret)
	} else {
		if federated == "" {
			var err error
			if federated, err = certificateAssertion(endpoint, app.Client, app.Certificate, app.SendChain, a.options.Now()); err != nil {
				return Token{}, err
			}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", federated)
	}
	return a.bearer(ctx, call{
		doing: "get a token of the application " + app.Client, method: http.MethodPost, url: endpoint, form: form,
		problem: oauthProblem, secrets: []string{app.Secret, federated},
	})
}

// azureManaged asks the metadata server of the machine:
// https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
func (a *asking) azureManaged(ctx context.Context, client, scope string) (Token, error) {
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {strings.TrimSuffix(scope, "/.default")}}
	if client != "" {
		query.Set("client_id", client)
	}
	return a.bearer(ctx, call{
		doing: "get a token of the managed identity", local: true, problem: oauthProblem,
		url:    "http://169.254.169.254/metadata/identity/oauth2/token?" + query.Encode(),
		header: map[string]string{"Metadata": "true"},
	})
}

// bearer sends a call whose answer is a token.
func (a *asking) bearer(ctx context.Context, k call) (Token, error) {
	var answer bearer
	if err := a.decode(ctx, k, &answer); err != nil {
		return Token{}, err
	}
	token, err := answer.token(a.options.Now())
	if err != nil {
		return token, fmt.Errorf("%s: %w", k.doing, err)
	}
	return token, nil
}
