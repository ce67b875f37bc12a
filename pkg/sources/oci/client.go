package oci

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/fluxd/fluxd/pkg/transport"
)

// userAgent is what registries see of us; it is that of Flux, by which some admit
// and count clients.
const userAgent = "flux/v2"

// client sends the requests for one repository with the credential for it. It
// implements the client of [remote.Repository].
//
// The credential goes to the registry itself if that asks for it with Basic, and to
// the token service that the registry names if it asks for a Bearer token. It goes
// nowhere else, whatever a redirect says.
type client struct {
	name       Name
	credential Credential
	tokens     *Tokens
	http       *http.Client
	plain      bool // set before the first Do
}

func newClient(n Name, o Options) *client {
	return &client{
		name: n, credential: o.Keychain.For(n), tokens: o.Tokens,
		http: transport.NewClient(o.Transport),
	}
}

// errForeign says that a request would go to another host than the registry.
var errForeign = errors.New("refused to ask another host than the registry")

// Do sends a request to the registry.
func (c *client) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Host != c.name.host() {
		return nil, errForeign
	}
	key := keyOf(req.URL.Scheme+"://"+req.URL.Host, c.name, c.credential)
	res, err := c.send(req, c.remembered(key))
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	if !transport.SameOrigin(req.URL, res.Request.URL) {
		return res, nil // another host wants credentials, and gets none
	}
	c.tokens.drop(key)
	fresh, err := c.authorize(req.Context(), challenges(res.Header))
	if err != nil {
		_ = res.Body.Close() // the error says more
		return nil, err
	}
	if fresh.header == "" {
		return res, nil // there is nothing that could be offered
	}
	_ = res.Body.Close() // it says no more than the status did
	res, err = c.send(req, fresh.header)
	if err == nil && res.StatusCode != http.StatusUnauthorized {
		c.tokens.put(key, fresh)
	}
	return res, err
}

// remembered returns the authorization that served the last time.
func (c *client) remembered(key tokenKey) string {
	known, ok := c.tokens.get(key)
	switch {
	case ok && known.lasting:
		return c.lasting()
	case ok:
		return known.header
	}
	return ""
}

// lasting returns the credential as it goes to the registry itself.
func (c *client) lasting() string {
	if c.credential.RegistryToken != "" {
		return "Bearer " + c.credential.RegistryToken
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.credential.Username+":"+c.credential.Password))
}

func (c *client) send(req *http.Request, authorization string) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", userAgent)
	// What is stored compressed must arrive as it is, and lengths must mean something.
	req.Header.Set("Accept-Encoding", "identity")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return c.http.Do(req)
}

// challenge is one way in which a server wants to be convinced.
type challenge struct {
	scheme string // in lower case
	params map[string]string
}

// challenges reads the WWW-Authenticate headers (RFC 9110, section 11.6.1), one
// challenge each.
func challenges(h http.Header) []challenge {
	var all []challenge
	for _, value := range h.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
		all = append(all, challenge{strings.ToLower(scheme), parameters(rest)})
	}
	return all
}

// parameters reads a list of name=value and name="value".
func parameters(list string) map[string]string {
	params := make(map[string]string)
	for {
		name, rest, ok := strings.Cut(strings.TrimLeft(list, ", \t"), "=")
		if !ok {
			return params
		}
		value := ""
		value, list = quoted(rest)
		params[strings.ToLower(strings.TrimSpace(name))] = value
	}
}

// quoted reads one value, with quotes or without, and returns what follows.
func quoted(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ",")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:]
		case '\\':
			if i++; i == len(text) {
				return b.String(), ""
			}
		}
		b.WriteByte(text[i])
	}
	return b.String(), ""
}

// realm checks the address of a token service: it is the registry that chose it.
func (c *client) realm(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%w: the registry names a token service that is not a URL", ErrAuth)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !c.plain) {
		return nil, fmt.Errorf("%w: the registry names a token service without TLS (%s)", ErrAuth, u.Host)
	}
	return u, nil
}
