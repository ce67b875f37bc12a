package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	acrPattern = `^[a-zA-Z0-9.-]+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$`
	// acrUser stands for nobody: the password is a token.
	acrUser = "00000000-0000-0000-0000-000000000000"
	// devOpsPattern is that of hosts with Git repositories.
	devOpsPattern = `^(?:dev\.azure\.com|[a-zA-Z0-9-]{1,63}\.visualstudio\.com)$`
	// environmentFile describes a cloud that is not one of the public ones.
	environmentFile = "AZURE_ENVIRONMENT_FILEPATH"
)

// acr returns the login for a registry of Azure.
func (a *asking) acr(ctx context.Context, host string) (Login, error) {
	scope, err := a.acrScope(host)
	if err != nil {
		return Login{}, err
	}
	return obtain(ctx, a, a.key("acr", host, scope), func(ctx context.Context) (Login, time.Time, error) {
		token, err := a.azureToken(ctx, scope)
		if err != nil {
			return Login{}, time.Time{}, err
		}
		login, err := a.acrLogin(ctx, host, token)
		return login, login.Expires, err
	})
}

// acrScope returns the scope of the token that a registry takes, and refuses hosts
// that are none.
func (a *asking) acrScope(host string) (string, error) {
	known := matches(acrPattern, host)
	if a.options.Env(environmentFile) == "" {
		if !known {
			return "", fmt.Errorf("%w: invalid Azure registry: '%s'. must match %s", ErrConfig, plain(host), acrPattern)
		}
		return scopeRegistry, nil
	}
	content, err := a.file(environmentFile)
	if err != nil {
		return "", err
	}
	var environment struct {
		Suffix   string `json:"containerRegistryDNSSuffix"`
		Manager  string `json:"resourceManagerEndpoint"`
		Audience string `json:"tokenAudience"`
	}
	if json.Unmarshal([]byte(content), &environment) != nil || environment.Manager == "" || environment.Audience == "" {
		return "", fmt.Errorf("%w: the file of %s must set resourceManagerEndpoint and tokenAudience", ErrConfig, environmentFile)
	}
	suffix := "." + strings.TrimPrefix(environment.Suffix, ".")
	if !known && (suffix == "." || !strings.HasSuffix(host, suffix) || !matches(`^[a-zA-Z0-9.-]+$`, host)) {
		return "", fmt.Errorf("%w: invalid Azure registry: '%s'. must end with %s", ErrConfig, plain(host), suffix)
	}
	return environment.Manager + "/.default", nil
}

// acrLogin exchanges a token for one of the registry:
// https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
func (a *asking) acrLogin(ctx context.Context, host string, token Token) (Login, error) {
	var answer struct {
		Token string `json:"refresh_token"`
	}
	const doing = "get a login for the registry"
	err := a.decode(ctx, call{
		doing: doing, method: http.MethodPost, url: "https://" + host + "/oauth2/exchange",
		form:    url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token.Value}},
		problem: acrProblem, secrets: []string{token.Value},
	}, &answer)
	if err != nil {
		return Login{}, err
	}
	until, ok := expiry(answer.Token)
	if !ok {
		return Login{}, fmt.Errorf("%s: the answer has no login", doing)
	}
	return Login{Username: acrUser, Password: answer.Token, Expires: until}, nil
}

// acrProblem returns what the registry says (the errors of the distribution API).
func acrProblem(body []byte) string {
	var answer struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Errors) == 0 {
		return oauthProblem(body)
	}
	return answer.Errors[0].Code + ": " + answer.Errors[0].Message
}

// devOps returns the credentials for a Git repository. The token is good for all of
// them, so that no other host may see it.
func (a *asking) devOps(ctx context.Context, u *url.URL) (GitLogin, error) {
	if u.Scheme != "https" || !matches(devOpsPattern, u.Host) {
		return GitLogin{}, fmt.Errorf("%w: %s is not the https URL of an Azure DevOps repository", ErrConfig, redacted(u.String()))
	}
	token, err := a.azureToken(ctx, ScopeDevOps)
	return GitLogin{BearerToken: token.Value, Expires: token.Expires}, err
}
