package decrypt

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// VaultLogin logs in to Vault servers with tokens of ServiceAccounts. The servers are
// those of a list that the operator keeps: nobody else gets such a token.
type VaultLogin struct {
	// List names the list in messages.
	List string
	// Paths returns the list: where to log in, by the address of the server.
	Paths func(ctx context.Context) (map[string]string, error)
	// Token returns a token of the ServiceAccount that is meant for a server alone.
	Token func(ctx context.Context, address string) (string, error)

	mu     sync.Mutex // guards tokens, and lets one log in at a time
	tokens map[string]string
}

// token returns the token of a server, from the first login.
func (l *VaultLogin) token(ctx context.Context, s *Services, address string, server *url.URL) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if token, ok := l.tokens[address]; ok {
		return token, nil
	}
	paths, err := l.Paths(ctx)
	if err != nil {
		return "", err
	}
	path := paths[address]
	if path == "" {
		return "", fmt.Errorf("no Vault login path configured for address '%s' in ConfigMap '%s'", address, l.List)
	}
	jwt, err := l.Token(ctx, address)
	if err != nil {
		return "", fmt.Errorf("failed to issue Kubernetes token for Vault authentication: %w", err)
	}
	token, err := s.login(ctx, server, path, jwt)
	if err != nil {
		return "", fmt.Errorf("log in to Vault: %w", err)
	}
	if l.tokens == nil {
		l.tokens = make(map[string]string)
	}
	l.tokens[address] = token
	return token, nil
}

// login exchanges a token of a ServiceAccount for one of Vault.
func (s *Services) login(ctx context.Context, server *url.URL, path, jwt string) (string, error) {
	namespace, name, err := Subject(jwt)
	if err != nil {
		return "", err
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if slices.Contains(parts, "..") {
		return "", unusable("login path")
	}
	body, err := json.Marshal(map[string]string{"role": namespace + "_" + name, "jwt": jwt})
	if err != nil {
		return "", unusable("login path")
	}
	var answer struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	header := http.Header{"X-Vault-Request": {"true"}, "Content-Type": {"application/json"}}
	address := server.JoinPath(append([]string{"v1"}, parts...)...)
	if err := s.post(ctx, address.String(), header, body, nil, &answer); err != nil {
		return "", err
	}
	if answer.Auth.Token == "" {
		return "", errors.New("the answer holds no token")
	}
	return answer.Auth.Token, nil
}

var errSubject = errors.New("the token is not that of a ServiceAccount")

// Subject returns the ServiceAccount that a token of the cluster is for. The token is
// not verified: whoever it is shown to does that.
func Subject(jwt string) (namespace, name string, err error) {
	parts := strings.Split(strings.TrimSpace(jwt), ".")
	if len(parts) != 3 {
		return "", "", errSubject
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", "", errSubject
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return "", "", errSubject
	}
	account, ok := strings.CutPrefix(claims.Subject, "system:serviceaccount:")
	namespace, name, found := strings.Cut(account, ":")
	if !ok || !found || namespace == "" || name == "" {
		return "", "", errSubject
	}
	return namespace, name, nil
}
