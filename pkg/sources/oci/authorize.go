package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/transport"
)

// authorize returns what answers one of the challenges; an empty token if there is
// nothing to answer with.
func (c *client) authorize(ctx context.Context, all []challenge) (token, error) {
	for _, one := range all {
		switch {
		case one.scheme == "bearer" && c.credential.RegistryToken != "":
			return c.lastingToken(), nil
		case one.scheme == "bearer":
			return c.exchange(ctx, one.params)
		case one.scheme == "basic" && c.credential.Username != "":
			return c.lastingToken(), nil
		}
	}
	return token{}, nil
}

// lastingToken returns the credential itself. It is offered without being asked
// for an hour.
func (c *client) lastingToken() token {
	return token{header: c.lasting(), until: time.Now().Add(time.Hour), lasting: true}
}

// exchange asks the token service that a registry names for an access token.
func (c *client) exchange(ctx context.Context, params map[string]string) (token, error) {
	u, err := c.realm(params["realm"])
	if err != nil {
		return token{}, err
	}
	scope := params["scope"]
	if scope == "" {
		scope = "repository:" + c.name.Path + ":pull"
	}
	req, err := c.tokenRequest(ctx, u, params["service"], scope)
	if err != nil {
		return token{}, err
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := c.steadfast().Do(req)
	if err != nil {
		return token{}, fmt.Errorf("ask the token service %s: %w", u.Host, transport.Bare(err))
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden, res.StatusCode == http.StatusBadRequest:
		return token{}, fmt.Errorf("%w: the token service %s answers %s", ErrAuth, u.Host, res.Status)
	case res.StatusCode != http.StatusOK:
		return token{}, fmt.Errorf("the token service %s answers %s", u.Host, res.Status)
	}
	return readToken(u.Host, res.Body)
}

// tokenRequest returns a request as the token authentication of Docker's registry
// specifies it, and its OAuth2 variant where there is an identity token.
func (c *client) tokenRequest(ctx context.Context, u *url.URL, service, scope string) (*http.Request, error) {
	if c.credential.IdentityToken != "" {
		form := url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {c.credential.IdentityToken},
			"service": {service}, "scope": {scope}, "client_id": {"fluxd"},
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req, nil
	}
	query := u.Query()
	if service != "" {
		query.Set("service", service)
	}
	query.Set("scope", scope)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if c.credential.Username != "" {
		req.SetBasicAuth(c.credential.Username, c.credential.Password)
	}
	return req, nil
}

// steadfast returns a client that never carries a request with a body to another
// origin: the body holds the credential.
func (c *client) steadfast() *http.Client {
	follow := *c.http
	follow.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.Body != nil && !transport.SameOrigin(via[0].URL, req.URL) {
			return errors.New("redirect of a token request to another host refused")
		}
		return c.http.CheckRedirect(req, via)
	}
	return &follow
}

// maxToken bounds the answer of a token service.
const maxToken = 256 << 10

// defaultLifetime is how long a token is good for if its service does not say,
// as the token specification has it.
const defaultLifetime = time.Minute

func readToken(host string, body io.Reader) (token, error) {
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.NewDecoder(io.LimitReader(body, maxToken)).Decode(&answer); err != nil {
		return token{}, fmt.Errorf("%w: the answer of the token service %s is unreadable", ErrAuth, host)
	}
	value := answer.Token
	if value == "" {
		value = answer.AccessToken
	}
	if value == "" || strings.ContainsAny(value, "\r\n") {
		return token{}, fmt.Errorf("%w: the token service %s answers without a token", ErrAuth, host)
	}
	lifetime := defaultLifetime
	if answer.ExpiresIn > 0 {
		lifetime = time.Duration(min(answer.ExpiresIn, 24*60*60)) * time.Second
	}
	return token{header: "Bearer " + value, until: time.Now().Add(lifetime * 4 / 5)}, nil
}
