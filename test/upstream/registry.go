package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/crypto/bcrypt"
)

// RegistryOptions say what registry to start. The zero value is one that speaks
// HTTP and lets everybody do everything.
type RegistryOptions struct {
	Security
	// Username and Password are demanded of everybody.
	Username, Password string
	// Tokens has clients exchange these for a token, as public registries do.
	Tokens bool
}

// Registry is an OCI registry.
type Registry struct {
	*backend
	options RegistryOptions
	issuer  *issuer // nil without tokens
}

// StartRegistry starts a registry that stores what it gets in a folder of its
// own. It runs until Close.
func StartRegistry(ctx context.Context, o RegistryOptions) (*Registry, error) {
	r := &Registry{options: o}
	before := func(next http.Handler) http.Handler { return next }
	var err error
	if o.Tokens {
		if r.issuer, err = newIssuer(o.Username, o.Password); err != nil {
			return nil, err
		}
		before = r.issuer.before
	}
	if r.backend, err = newBackend(o.Security, before); err != nil {
		return nil, err
	}
	if err := r.run(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Registry) run(ctx context.Context) error {
	auth, err := r.auth()
	if err != nil {
		return err
	}
	config := map[string]any{
		"version": "0.1",
		"log":     map[string]any{"accesslog": map[string]any{"disabled": true}, "level": "warn"},
		"storage": map[string]any{
			"filesystem": map[string]any{"rootdirectory": filepath.Join(r.dir, "blobs")},
			"delete":     map[string]any{"enabled": true},
		},
		"http": map[string]any{"net": "unix", "addr": r.socket(), "secret": "of one process"},
	}
	if auth != nil {
		config["auth"] = auth
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	file := filepath.Join(r.dir, "config.yml") // JSON is YAML
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	return r.start(ctx, nil, "registry", "serve", file)
}

// auth is that part of the registry's configuration, with the files it names.
func (r *Registry) auth() (map[string]any, error) {
	switch {
	case r.options.Tokens:
		keys := filepath.Join(r.dir, "keys.json")
		return map[string]any{"token": map[string]any{
			"realm": r.URL + tokenPath, "service": tokenService, "issuer": tokenIssuer, "jwks": keys,
		}}, r.issuer.writeKeys(keys)
	case r.options.Username != "":
		// The least cost: a registry that spends its time on hashes measures nothing.
		hash, err := bcrypt.GenerateFromPassword([]byte(r.options.Password), bcrypt.MinCost)
		if err != nil {
			return nil, fmt.Errorf("hash the password: %w", err)
		}
		file := filepath.Join(r.dir, "htpasswd")
		return map[string]any{"htpasswd": map[string]any{"realm": "fluxd", "path": file}},
			os.WriteFile(file, []byte(r.options.Username+":"+string(hash)+"\n"), 0o600)
	}
	return nil, nil
}
