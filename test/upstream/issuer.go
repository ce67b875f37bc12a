package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	tokenPath    = "/auth/token"
	tokenIssuer  = "fluxd-test-issuer"
	tokenService = "fluxd-test-registry"
	tokenKey     = "key"
	tokenLife    = 5 * time.Minute
)

// issuer gives tokens for a registry to who knows the password.
type issuer struct {
	key                *ecdsa.PrivateKey
	username, password string
}

func newIssuer(username, password string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &issuer{key: key, username: username, password: password}, nil
}

// before serves the token's path, and has next serve the rest.
func (i *issuer) before(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET "+tokenPath, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != i.username || password != i.password {
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		token, err := i.token(r.URL.Query()["scope"])
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": int(tokenLife.Seconds())}) // or the client is gone
	})
	return mux
}

type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// token grants what the scopes, such as repository:apps/web:pull, ask for.
func (i *issuer) token(scopes []string) (string, error) {
	granted := []access{}
	for _, scope := range scopes {
		kind, rest, _ := strings.Cut(scope, ":")
		if at := strings.LastIndexByte(rest, ':'); at > 0 {
			granted = append(granted, access{Type: kind, Name: rest[:at], Actions: strings.Split(rest[at+1:], ",")})
		}
	}
	now := time.Now()
	header, err := encode(map[string]any{"typ": "JWT", "alg": "ES256", "kid": tokenKey})
	if err != nil {
		return "", err
	}
	claims, err := encode(map[string]any{
		"iss": tokenIssuer, "aud": tokenService, "sub": i.username, "jti": fmt.Sprint(now.UnixNano()),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(tokenLife).Unix(), "access": granted,
	})
	if err != nil {
		return "", err
	}
	signed := header + "." + claims
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// writeKeys writes what the registry checks tokens with.
func (i *issuer) writeKeys(file string) error {
	point, err := i.key.PublicKey.Bytes() // 4, X and Y
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": tokenKey,
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]),
		"y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	if err != nil {
		return err
	}
	return os.WriteFile(file, keys, 0o600)
}
