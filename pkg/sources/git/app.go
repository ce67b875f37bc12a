package git

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// appUser is the user name that goes with an installation token.
	appUser = "x-access-token"
	// appAPI is where GitHub answers; an enterprise server is elsewhere.
	appAPI = "https://api.github.com"
	// assertionLife is how long the signed statement of an App is good for; the
	// API accepts ten minutes at most.
	assertionLife = 5 * time.Minute
	// tokenShare is the part of its life for which a token is used.
	tokenShare = 0.8
	// maxAnswer bounds what the API may answer.
	maxAnswer = 1 << 20
	// maxTokens bounds the tokens that are remembered.
	maxTokens = 100
)

// Apps gets tokens for the installations of GitHub Apps and remembers them.
type Apps struct {
	mu     sync.Mutex // guards tokens
	tokens map[string]appToken
}

type appToken struct {
	value string
	until time.Time
}

// NewApps returns an Apps that remembers nothing yet.
func NewApps() *Apps { return &Apps{tokens: make(map[string]appToken)} }

// app is what a Secret says of an App.
type app struct {
	id, installation, owner, base string
	key                           *rsa.PrivateKey
}

// Authenticate gives remote the token of the App that data describes: the keys
// githubAppID, githubAppPrivateKey, one of githubAppInstallationID and
// githubAppInstallationOwner, and githubAppBaseURL.
func (a *Apps) Authenticate(ctx context.Context, remote *Remote, data map[string][]byte) error {
	described, err := parseApp(data)
	if err != nil {
		return err
	}
	token, err := a.token(ctx, remote, described, data)
	if err != nil {
		return err
	}
	remote.Auth = Auth{Username: appUser, Password: token}
	return nil
}

func parseApp(data map[string][]byte) (*app, error) {
	p := &app{
		id:           strings.TrimSpace(string(data["githubAppID"])),
		installation: strings.TrimSpace(string(data["githubAppInstallationID"])),
		owner:        strings.TrimSpace(string(data["githubAppInstallationOwner"])),
		base:         strings.TrimSuffix(cmp.Or(strings.TrimSpace(string(data["githubAppBaseURL"])), appAPI), "/"),
	}
	switch {
	case p.id == "":
		return nil, fmt.Errorf("%w: githubAppID is empty", ErrConfig)
	case (p.installation == "") == (p.owner == ""):
		return nil, fmt.Errorf("%w: exactly one of githubAppInstallationID and githubAppInstallationOwner is needed", ErrConfig)
	}
	block, _ := pem.Decode(data["githubAppPrivateKey"])
	if block == nil {
		return nil, fmt.Errorf("%w: githubAppPrivateKey is not in PEM form", ErrConfig)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		p.key = key
		return p, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	rsaKey, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: githubAppPrivateKey is not an RSA key", ErrConfig)
	}
	p.key = rsaKey
	return p, nil
}

// token returns a token, a remembered one if it is young enough. Only who has
// the same private key gets it.
func (a *Apps) token(ctx context.Context, remote *Remote, p *app, data map[string][]byte) (string, error) {
	sum := sha256.New()
	for _, part := range []string{p.id, p.installation, p.owner, p.base, string(data["githubAppPrivateKey"])} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	name, now := hex.EncodeToString(sum.Sum(nil)), time.Now()
	a.mu.Lock()
	known, ok := a.tokens[name]
	a.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.value, nil
	}
	fresh, err := p.exchange(ctx, remote, now)
	if err != nil {
		return "", fmt.Errorf("get a token for the GitHub App: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for old, token := range a.tokens {
		if len(a.tokens) >= maxTokens || now.After(token.until) {
			delete(a.tokens, old)
		}
	}
	a.tokens[name] = fresh
	return fresh.value, nil
}

// exchange trades a signed statement for a token of the installation.
func (p *app) exchange(ctx context.Context, remote *Remote, now time.Time) (appToken, error) {
	transport := remote.httpTransport()
	defer transport.Close()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the API redirects, which it should not")
	}}
	assertion, err := p.assertion(now)
	if err != nil {
		return appToken{}, err
	}
	installation := p.installation
	if installation == "" {
		if installation, err = p.find(ctx, client, assertion); err != nil {
			return appToken{}, err
		}
	}
	var answer struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	path := "/app/installations/" + url.PathEscape(installation) + "/access_tokens"
	if err := p.call(ctx, client, http.MethodPost, path, assertion, &answer); err != nil {
		return appToken{}, err
	}
	if answer.Token == "" {
		return appToken{}, errors.New("the API answered without a token")
	}
	life := time.Duration(float64(answer.ExpiresAt.Sub(now)) * tokenShare)
	return appToken{answer.Token, now.Add(life)}, nil
}

// find returns the installation of an organisation, or else of a user.
func (p *app) find(ctx context.Context, client *http.Client, assertion string) (string, error) {
	var answer struct {
		ID json.Number `json:"id"`
	}
	owner := url.PathEscape(p.owner)
	err := p.call(ctx, client, http.MethodGet, "/orgs/"+owner+"/installation", assertion, &answer)
	if err != nil {
		err = p.call(ctx, client, http.MethodGet, "/users/"+owner+"/installation", assertion, &answer)
	}
	return answer.ID.String(), err
}

func (p *app) call(ctx context.Context, client *http.Client, method, path, assertion string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, nil)
	if err != nil {
		return fmt.Errorf("%w: githubAppBaseURL is not a URL", ErrConfig)
	}
	req.Header.Set("Authorization", "Bearer "+assertion)
	req.Header.Set("Accept", "application/vnd.github+json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: the API answered %s", method, path, res.Status)
	}
	return json.NewDecoder(bytes.NewReader(body)).Decode(into)
}

// assertion returns a JSON Web Token (RFC 7519) by which the App says who it is.
func (p *app) assertion(now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": p.id,
		"iat": now.Add(-time.Minute).Unix(), // clocks differ
		"exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign for the GitHub App: %w", err)
	}
	return signed + "." + encode(signature), nil
}
