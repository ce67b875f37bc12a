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
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
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
	// maxAnswer bounds what the API may answer.
	maxAnswer = 1 << 20
)

// App is a GitHub App, as a Secret describes it, by which a repository is read.
type App struct {
	id, installation, owner, base string
	key                           *rsa.PrivateKey
}

// ParseApp reads the keys githubAppID, githubAppPrivateKey, one of
// githubAppInstallationID and githubAppInstallationOwner, and githubAppBaseURL of a
// Secret. An error is [ErrConfig].
func ParseApp(data map[string][]byte) (*App, error) {
	p := &App{
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
	var err error
	p.key, err = parseRSA(block.Bytes)
	return p, err
}

func parseRSA(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	rsaKey, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: githubAppPrivateKey is not an RSA key", ErrConfig)
	}
	return rsaKey, nil
}

// Login is the right to read what the installation may, by one of its tokens.
func (p *App) Login(token string) Auth { return Auth{Username: appUser, Password: token} }

// Token trades a signed statement for a token of the installation, and says when that
// ends. The API is reached as the remote is.
func (p *App) Token(ctx context.Context, remote *Remote) (token string, ends time.Time, err error) {
	token, ends, err = p.exchange(ctx, remote, time.Now())
	if err != nil {
		return "", time.Time{}, fmt.Errorf("get a token for the GitHub App: %w", err)
	}
	return token, ends, nil
}

func (p *App) exchange(ctx context.Context, remote *Remote, now time.Time) (token string, ends time.Time, err error) {
	transport := remote.httpTransport()
	defer transport.Close()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the API redirects, which it should not")
	}}
	assertion, err := p.assertion(now)
	if err != nil {
		return "", ends, err
	}
	installation := p.installation
	if installation == "" {
		if installation, err = p.find(ctx, client, assertion); err != nil {
			return "", ends, err
		}
	}
	var answer struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	path := "/app/installations/" + url.PathEscape(installation) + "/access_tokens"
	if err := p.call(ctx, client, http.MethodPost, path, assertion, &answer); err != nil {
		return "", ends, err
	}
	if answer.Token == "" {
		return "", ends, errors.New("the API answered without a token")
	}
	return answer.Token, answer.ExpiresAt, nil
}

// find returns the installation of an organisation, or else of a user.
func (p *App) find(ctx context.Context, client *http.Client, assertion string) (string, error) {
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

func (p *App) call(ctx context.Context, client *http.Client, method, path, assertion string, into any) error {
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
func (p *App) assertion(now time.Time) (string, error) {
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
