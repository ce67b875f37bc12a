// Package forge makes repositories on GitHub, GitLab and Gitea, and lets keys read
// them: what it takes of their APIs to bootstrap a cluster, over plain HTTP.
//
// Whatever is asked for may be there already, also because somebody else is faster:
// then it is left as it is. Errors tell what the forge said and never the token.
package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Repository names a repository, and says how it is to be if it has to be made.
type Repository struct {
	// Owner is a user, an organisation or, on GitLab, a group, which may be in others.
	Owner, Name string
	// Personal says that the owner is the user whose token it is.
	Personal bool
	// Private hides it from those without a right to it. On GitLab, Visibility says so if
	// it is not empty: private, internal or public.
	Private     bool
	Visibility  string
	Branch      string
	Description string
	// Teams get access to a repository that is made, with a permission each, which may
	// be empty.
	Teams []Team
}

// Team is a group of people and what they may do.
type Team struct{ Name, Permission string }

// String returns owner/name.
func (r Repository) String() string { return r.Owner + "/" + r.Name }

// Location is where a repository is.
type Location struct {
	HTTPS, SSH string
	// Made says that it was not there before.
	Made bool
}

// Key is a public key that may read a repository, and perhaps write it.
type Key struct {
	Title string
	// Public is a line of authorized_keys.
	Public string
	Write  bool
}

// same says whether a line of authorized_keys has the key, whatever its comment.
func (k Key) same(line string) bool {
	a, b := strings.Fields(k.Public), strings.Fields(line)
	return len(a) > 1 && len(b) > 1 && a[0] == b[0] && a[1] == b[1]
}

// Forge is a place for repositories, and somebody's rights there.
type Forge interface {
	// Ensure returns where the repository is, and makes it if it is not there.
	Ensure(ctx context.Context, r Repository) (Location, error)
	// Allow lets a key in, and says whether it was not allowed yet. Other keys of the
	// same title are its predecessors and are taken off.
	Allow(ctx context.Context, r Repository, k Key) (bool, error)
}

// The kinds of forges.
const (
	GitHub = "github"
	GitLab = "gitlab"
	Gitea  = "gitea"
)

// Options say which forge it is.
type Options struct {
	// Kind is one of the constants.
	Kind string
	// Hostname is that of the forge, with a port where it has an unusual one, or a URL.
	// Empty means the public one.
	Hostname string
	Token    string
	// Transport is how it is reached; see package transport.
	Transport http.RoundTripper
}

// public is where a forge is if nobody says otherwise.
var public = map[string]string{GitHub: "github.com", GitLab: "gitlab.com", Gitea: "gitea.com"}

// ErrNoToken says that there is no token to log in with.
var ErrNoToken = errors.New("a token is needed")

// New returns a forge. Nothing is asked of it yet.
func New(o Options) (Forge, error) {
	if o.Token == "" {
		return nil, ErrNoToken
	}
	host := o.Hostname
	if host == "" {
		host = public[o.Kind]
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	base, err := url.Parse(strings.TrimSuffix(host, "/"))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%q is not the name of a host", o.Hostname)
	}
	switch o.Kind {
	case GitHub:
		return newGitHub(base, o), nil
	case GitLab:
		return newGitLab(base, o), nil
	case Gitea:
		return newGitea(base, o), nil
	}
	return nil, fmt.Errorf("%q is no kind of forge", o.Kind)
}

// deployKey is a key as a forge has it.
type deployKey struct {
	id    string
	title string
	line  string
	write bool
}

// keyring is how a forge keeps the keys of a repository.
type keyring interface {
	keys(ctx context.Context, r Repository) ([]deployKey, error)
	addKey(ctx context.Context, r Repository, k Key) error
	dropKey(ctx context.Context, r Repository, id string) error
}

// allow is [Forge.Allow] for any keyring.
func allow(ctx context.Context, ring keyring, r Repository, k Key) (bool, error) {
	known, err := ring.keys(ctx, r)
	if err != nil {
		return false, fmt.Errorf("list the deploy keys of %s: %w", r, err)
	}
	there := false
	for _, old := range known {
		switch {
		case k.same(old.line) && old.write == k.Write:
			there = true
			continue
		case !k.same(old.line) && old.title != k.Title:
			continue
		}
		if err := ring.dropKey(ctx, r, old.id); err != nil {
			return false, fmt.Errorf("remove the deploy key %q of %s: %w", old.title, r, err)
		}
	}
	if there {
		return false, nil
	}
	if err := ring.addKey(ctx, r, k); err != nil {
		return false, fmt.Errorf("add the deploy key %q to %s: %w", k.Title, r, err)
	}
	return true, nil
}
