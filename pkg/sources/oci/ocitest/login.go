package ocitest

import (
	"fmt"
	"net/http"
	"strings"
)

const tokenPath = "/token"

// login is what the registry wants to see.
type login struct {
	user, password string
	refresh        string // an identity token
	bearer         bool
	realm          string // of a token service elsewhere
	lifetime       int    // seconds
	issued         int    // how many tokens
	revoked        int    // tokens up to this one are not accepted any more
}

// RequireBasic makes the registry ask for a user name and a password.
func (r *Registry) RequireBasic(user, password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.login = login{user: user, password: password}
}

// RequireToken makes the registry ask for a token of its token service, which
// gives one to the user, or to everybody if user is empty.
func (r *Registry) RequireToken(user, password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.login = login{user: user, password: password, bearer: true, lifetime: 300}
}

// RequireIdentity makes the token service give tokens for an identity token.
func (r *Registry) RequireIdentity(identity string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.login = login{refresh: identity, bearer: true, lifetime: 300}
}

// TokensFrom makes the registry name the token service at another address.
func (r *Registry) TokensFrom(realm string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.login.realm = realm
}

// RevokeTokens makes the tokens so far worthless.
func (r *Registry) RevokeTokens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.login.revoked = r.login.issued
}

// admit answers requests that lack what the registry wants to see.
func (r *Registry) admit(w http.ResponseWriter, req *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.login
	switch {
	case l.bearer:
		n := 0
		_, err := fmt.Sscanf(req.Header.Get("Authorization"), "Bearer token-%d", &n)
		if err == nil && n > l.revoked && n <= l.issued {
			return true
		}
		realm := l.realm
		if realm == "" {
			realm = r.realm()
		}
		repository, _, _ := repositoryOf(req.URL.Path)
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="registry.test",scope="repository:%s:pull"`, realm, repository))
	case l.user != "":
		if user, password, ok := req.BasicAuth(); ok && user == l.user && password == l.password {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
	default:
		return true
	}
	fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	return false
}

func (r *Registry) serveToken(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &r.login
	user, password, _ := req.BasicAuth()
	scope := req.FormValue("scope")
	known := l.user == "" || user == l.user && password == l.password
	if l.refresh != "" {
		known = req.Method == http.MethodPost && req.FormValue("grant_type") == "refresh_token" && req.FormValue("refresh_token") == l.refresh
	}
	if !known || !strings.HasSuffix(scope, ":pull") || req.FormValue("service") != "registry.test" {
		fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	l.issued++
	answer(w, "application/json", map[string]any{"token": fmt.Sprintf("token-%d", l.issued), "expires_in": l.lifetime})
}
