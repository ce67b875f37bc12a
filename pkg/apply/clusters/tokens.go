package clusters

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// claim is whose token is wanted and for whom it is meant.
type claim struct {
	namespace, account string
	audiences          []string
}

func (c claim) key() string {
	return digest(append([]string{c.namespace, c.account}, c.audiences...)...)
}

// Limits of how long a token is used.
const (
	maxTokenLife = time.Hour
	// shortToken is for one that does not say when it ends.
	shortToken = time.Minute
	maxTokens  = 256
)

// tokens keeps tokens of service accounts for 80 % of their life.
type tokens struct {
	reader Reader
	now    func() time.Time

	mu   sync.Mutex // guards kept
	kept map[string]token
}

type token struct {
	value string
	until time.Time
}

func newTokens(r Reader) *tokens {
	return &tokens{reader: r, now: time.Now, kept: map[string]token{}}
}

// token returns a token for a claim.
func (t *tokens) token(ctx context.Context, c claim) (string, error) {
	key := c.key()
	t.mu.Lock()
	found, ok := t.kept[key]
	t.mu.Unlock()
	if ok && t.now().Before(found.until) {
		return found.value, nil
	}
	value, err := t.reader.ServiceAccountToken(ctx, c.namespace, c.account, c.audiences)
	if err != nil {
		return "", err
	}
	t.keep(key, value)
	return value, nil
}

func (t *tokens) keep(key, value string) {
	now := t.now()
	life := shortToken
	if ends, ok := expiry(value); ok {
		life = min(ends.Sub(now)/10*8, maxTokenLife)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, one := range t.kept {
		if !now.Before(one.until) || len(t.kept) >= maxTokens {
			delete(t.kept, k)
		}
	}
	t.kept[key] = token{value, now.Add(life)}
}

// expiry reads the claim exp of a JSON web token (RFC 7519, 4.1.4).
func expiry(value string) (time.Time, bool) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Expires == 0 {
		return time.Time{}, false
	}
	return time.Unix(claims.Expires, 0), true
}
