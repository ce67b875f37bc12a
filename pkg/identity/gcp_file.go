package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// gcpFile is a file of application default credentials:
// https://cloud.google.com/docs/authentication/application-default-credentials
type gcpFile struct {
	Type string `json:"type"`

	// of a service account
	Email    string `json:"client_email"`
	Key      string `json:"private_key"`
	KeyID    string `json:"private_key_id"`
	TokenURI string `json:"token_uri"`

	// of a user
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`

	// of another issuer
	Audience      string `json:"audience"`
	SubjectType   string `json:"subject_token_type"`
	TokenURL      string `json:"token_url"`
	Impersonation string `json:"service_account_impersonation_url"`
	Source        struct {
		File   string `json:"file"`
		Format struct {
			Type  string `json:"type"`
			Field string `json:"subject_token_field_name"`
		} `json:"format"`
	} `json:"credential_source"`
}

// gcpProcess returns a token of the process: from the file that the environment
// names, or else from the machine.
func (a *asking) gcpProcess(ctx context.Context) (Token, error) {
	const variable = "GOOGLE_APPLICATION_CREDENTIALS"
	if a.options.Env(variable) == "" {
		return a.gcpMachine(ctx)
	}
	content, err := a.file(variable)
	if err != nil {
		return Token{}, err
	}
	var f gcpFile
	if json.Unmarshal([]byte(content), &f) != nil {
		return Token{}, fmt.Errorf("%w: the file of %s is not JSON", ErrConfig, variable)
	}
	switch f.Type {
	case "service_account":
		return a.gcpKey(ctx, f, gcpScopes())
	case "authorized_user":
		return a.bearer(ctx, call{
			doing: "get a token of the user", method: http.MethodPost, url: "https://oauth2.googleapis.com/token",
			form: url.Values{
				"grant_type": {"refresh_token"}, "client_id": {f.ClientID},
				"client_secret": {f.ClientSecret}, "refresh_token": {f.RefreshToken},
			},
			problem: oauthProblem, secrets: []string{f.ClientSecret, f.RefreshToken},
		})
	case "external_account":
		return a.gcpExternal(ctx, f)
	}
	return Token{}, fmt.Errorf("%w: the file of %s has the type %q, which is none of service_account, authorized_user, external_account",
		ErrConfig, variable, plain(f.Type))
}

// gcpExternal exchanges a token from a file.
func (a *asking) gcpExternal(ctx context.Context, f gcpFile) (Token, error) {
	if f.Source.File == "" {
		return Token{}, fmt.Errorf("%w: credential_source of an external account must name a file", ErrConfig)
	}
	data, err := a.options.ReadFile(f.Source.File)
	if err != nil {
		return Token{}, fmt.Errorf("the token of an external account: %w", err)
	}
	token := string(bytes.TrimSpace(data))
	if f.Source.Format.Type == "json" {
		token = field(data, f.Source.Format.Field)
	}
	if token == "" {
		return Token{}, fmt.Errorf("%w: the file of an external account holds no token", ErrConfig)
	}
	return a.gcpExchange(ctx, exchange{
		url: f.TokenURL, audience: f.Audience, kind: f.SubjectType, token: token, impersonate: f.Impersonation,
	})
}

// GCPKeyToken returns a token of the account whose key is given, as the JSON that
// Google Cloud hands out. Of r, only Proxy and For count.
func (c *Clouds) GCPKeyToken(ctx context.Context, r Request, key []byte, scopes ...string) (Token, error) {
	a := &asking{Clouds: c, Request: Request{Provider: GCP, Proxy: r.Proxy, For: r.For}}
	var f gcpFile
	if json.Unmarshal(key, &f) != nil || f.Type != "service_account" {
		return Token{}, fmt.Errorf("%w: the key is not the JSON of a service account", ErrConfig)
	}
	id := a.key("key", string(key), strings.Join(scopes, " "))
	return obtain(ctx, a, id, func(ctx context.Context) (Token, time.Time, error) {
		token, err := a.gcpKey(ctx, f, scopes)
		return token, token.Expires, err
	})
}

// gcpKey gets a token for a signed assertion:
// https://developers.google.com/identity/protocols/oauth2/service-account#httprest
func (a *asking) gcpKey(ctx context.Context, f gcpFile, scopes []string) (Token, error) {
	endpoint, now := f.TokenURI, a.options.Now()
	if endpoint == "" {
		endpoint = "https://oauth2.googleapis.com/token"
	}
	// Keys come from tenants as well, who must not have anything reached.
	if !matches(`^https://(oauth2\.[a-z0-9.-]+|accounts\.google\.com)/[a-zA-Z0-9/]*$`, endpoint) {
		return Token{}, fmt.Errorf("%w: token_uri is not that of a login server of Google", ErrConfig)
	}
	key, _, err := keyFrom([]byte(f.Key))
	if err != nil {
		return Token{}, fmt.Errorf("private_key of a service account: %w", err)
	}
	signed, err := assertion(key, map[string]any{"kid": f.KeyID}, map[string]any{
		"iss": f.Email, "scope": strings.Join(scopes, " "), "aud": endpoint,
		"iat": now.Add(-10 * time.Second).Unix(), "exp": now.Add(time.Hour - 10*time.Second).Unix(),
	})
	if err != nil {
		return Token{}, err
	}
	return a.bearer(ctx, call{
		doing: "get a token of the account " + plain(f.Email), method: http.MethodPost, url: endpoint,
		form:    url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {signed}},
		problem: oauthProblem, secrets: []string{signed},
	})
}
