package oci

import (
	"crypto/sha256"
	"strings"
	"sync"
	"time"
)

// Tokens remembers access tokens, and which registries do not speak TLS, so that asking a registry again costs one request
// instead of three. A token serves those alone who have the credential that it was
// given for. Use [NewTokens].
type Tokens struct {
	mu    sync.Mutex // guards known
	known map[tokenKey]token
}

// maxTokens bounds how many tokens are remembered.
const maxTokens = 1024

// tokenKey is a digest of a repository and of the credential.
type tokenKey [sha256.Size]byte

// token is what convinces a registry.
type token struct {
	header string // the value of Authorization
	until  time.Time
	// lasting says that the header is the credential itself, which is not kept.
	lasting bool
}

// NewTokens returns a memory of tokens.
func NewTokens() *Tokens { return &Tokens{known: make(map[tokenKey]token)} }

func keyOf(origin string, n Name, c Credential) tokenKey {
	fields := []string{origin, n.Registry, n.Path, c.Username, c.Password, c.IdentityToken, c.RegistryToken}
	for i, f := range fields {
		fields[i] = strings.ReplaceAll(f, "\x00", "\x00\x00")
	}
	return sha256.Sum256([]byte(strings.Join(fields, "\x00 ")))
}

// get returns what is remembered; the header is empty where the credential itself is
// what the registry wants.
func (t *Tokens) get(k tokenKey) (token, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.known[k]
	return known, ok && time.Now().Before(known.until)
}

// put remembers a token.
func (t *Tokens) put(k tokenKey, fresh token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxTokens {
		t.sweep()
	}
	if fresh.lasting {
		fresh.header = ""
	}
	t.known[k] = fresh
}

// sweep forgets what has expired, and everything if that is not enough: what is
// needed is soon known again. mu is held.
func (t *Tokens) sweep() {
	now := time.Now()
	for k, one := range t.known {
		if !now.Before(one.until) {
			delete(t.known, k)
		}
	}
	if len(t.known) >= maxTokens {
		clear(t.known)
	}
}

func (t *Tokens) drop(k tokenKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, k)
}
