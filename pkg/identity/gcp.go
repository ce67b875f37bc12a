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
	annotationEmail = "iam.gke.io/gcp-service-account"
	annotationPool  = "gcp.auth.fluxcd.io/workload-identity-provider"

	emailPattern = `^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$`
	poolPattern  = `^projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$`
	garPattern   = `^(((.+\.)?gcr\.io)|(.+-docker\.pkg\.dev)|(docker\.s3nsregistry\.fr))$`

	scopeCloud = "https://www.googleapis.com/auth/cloud-platform"
	scopeEmail = "https://www.googleapis.com/auth/userinfo.email"

	gcpSTS = "https://sts.googleapis.com/v1/token"
	gcpIAM = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
	// jwtToken and accessToken are kinds of tokens (RFC 8693, section 3).
	jwtToken    = "urn:ietf:params:oauth:token-type:jwt"
	accessToken = "urn:ietf:params:oauth:token-type:access_token"
)

// gcpScopes are those of every token.
func gcpScopes() []string { return []string{scopeCloud, scopeEmail} }

// garLogin returns the login for a registry of Google Cloud, which is a token.
func (a *asking) garLogin(ctx context.Context, host string) (Login, error) {
	if !matches(garPattern, host) {
		return Login{}, fmt.Errorf("%w: invalid GCP registry: '%s'. must match %s", ErrConfig, plain(host), garPattern)
	}
	token, err := a.gcpToken(ctx)
	if err != nil {
		return Login{}, err
	}
	return Login{Username: "oauth2accesstoken", Password: token.Value, Expires: token.Expires}, nil
}

// gcpToken returns a token of the ServiceAccount, or of the process.
func (a *asking) gcpToken(ctx context.Context) (Token, error) {
	if a.account != nil {
		for _, rule := range [][2]string{{annotationEmail, emailPattern}, {annotationPool, poolPattern}} {
			value := a.account.annotations[rule[0]]
			if value != "" && !matches(rule[1], value) {
				return Token{}, fmt.Errorf("%w: service account '%s': invalid %s annotation: '%s'. must match %s",
					ErrConfig, a.account, rule[0], plain(value), rule[1])
			}
		}
	}
	return obtain(ctx, a, a.key("token"), func(ctx context.Context) (Token, time.Time, error) {
		token, err := a.newGCPToken(ctx)
		return token, token.Expires, err
	})
}

func (a *asking) newGCPToken(ctx context.Context) (Token, error) {
	if a.account == nil {
		return a.gcpProcess(ctx)
	}
	audience, pool := "", a.account.annotations[annotationPool]
	if pool != "" {
		pool = "//iam.googleapis.com/" + pool
		audience = pool
	} else {
		cluster, err := a.gkeCluster(ctx)
		if err != nil {
			return Token{}, err
		}
		audience, pool = cluster.pool(), cluster.provider()
	}
	token, err := a.token(ctx, audience)
	if err != nil {
		return Token{}, err
	}
	impersonated := ""
	if email := a.account.annotations[annotationEmail]; email != "" {
		impersonated = gcpIAM + email + ":generateAccessToken"
	}
	return a.gcpExchange(ctx, exchange{audience: pool, kind: jwtToken, token: token, impersonate: impersonated})
}

// exchange is a token of another issuer and what it is exchanged for.
type exchange struct {
	url         string // of the token service; that of Google if empty
	audience    string
	kind, token string
	impersonate string // URL, empty for none
}

// gcpExchange exchanges the token of another issuer:
// https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
func (a *asking) gcpExchange(ctx context.Context, x exchange) (Token, error) {
	scopes := gcpScopes()
	if x.impersonate != "" {
		scopes = []string{scopeCloud}
	}
	if x.url == "" {
		x.url = gcpSTS
	}
	federated, err := a.bearer(ctx, call{
		doing: "exchange a token for one of Google Cloud", method: http.MethodPost, url: x.url,
		form: url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "audience": {x.audience},
			"scope": {strings.Join(scopes, " ")}, "requested_token_type": {accessToken},
			"subject_token_type": {x.kind}, "subject_token": {x.token},
		},
		problem: oauthProblem, secrets: []string{x.token},
	})
	if err != nil || x.impersonate == "" {
		return federated, err
	}
	return a.gcpImpersonate(ctx, x.impersonate, federated)
}

// gcpImpersonate gets a token of an account on behalf of another:
// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
func (a *asking) gcpImpersonate(ctx context.Context, endpoint string, as Token) (Token, error) {
	body, err := json.Marshal(map[string]any{"lifetime": "3600s", "scope": gcpScopes()})
	if err != nil {
		return Token{}, fmt.Errorf("impersonate an account of Google Cloud: %w", err)
	}
	var answer struct {
		Token   string    `json:"accessToken"`
		Expires time.Time `json:"expireTime"`
	}
	k := call{
		doing: "impersonate an account of Google Cloud", method: http.MethodPost, url: endpoint, body: body,
		header:  map[string]string{"Authorization": "Bearer " + as.Value, "Content-Type": "application/json"},
		problem: googleProblem, secrets: []string{as.Value},
	}
	if err := a.decode(ctx, k, &answer); err != nil {
		return Token{}, err
	}
	if answer.Token == "" {
		return Token{}, fmt.Errorf("%s: %w", k.doing, errNoToken)
	}
	return Token{Value: answer.Token, Expires: answer.Expires}, nil
}

// googleProblem returns what an API of Google says.
func googleProblem(body []byte) string {
	var answer struct {
		Error struct{ Status, Message string }
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error.Status == "" {
		return oauthProblem(body)
	}
	return answer.Error.Status + ": " + answer.Error.Message
}
