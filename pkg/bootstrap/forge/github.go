package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fluxd/fluxd/pkg/transport"
)

// github speaks the REST API of GitHub, version 2022-11-28, and nearly all of that of
// Gitea, which was made after it.
type github struct {
	client
	// team returns what is asked of the API for a team to have access.
	team func(r Repository, t Team) (path string, body any)
	// taken are the codes of the answer to making what is there already.
	taken []int
	// named says that a repository without a commit has a default branch.
	named bool
}

func newGitHub(base *url.URL, o Options) *github {
	api := base.String() + "/api/v3" // of GitHub Enterprise
	if base.Host == public[GitHub] {
		api = "https://api.github.com"
	}
	return &github{
		client: client{
			base: api, token: o.Token, header: "Authorization", prefix: "Bearer ",
			accept: "application/vnd.github+json", http: transport.NewClient(o.Transport),
		},
		team: func(r Repository, t Team) (string, any) {
			permission := t.Permission
			if permission == "" {
				permission = "maintain"
			}
			return "/orgs/" + url.PathEscape(r.Owner) + "/teams/" + url.PathEscape(t.Name) + "/repos/" + pathOf(r), map[string]any{"permission": permission}
		},
		taken: []int{http.StatusUnprocessableEntity},
	}
}

func newGitea(base *url.URL, o Options) *github {
	return &github{
		client: client{
			base: base.String() + "/api/v1", token: o.Token, header: "Authorization", prefix: "token ",
			accept: "application/json", http: transport.NewClient(o.Transport),
		},
		team: func(r Repository, t Team) (string, any) {
			return "/repos/" + pathOf(r) + "/teams/" + url.PathEscape(t.Name), nil // the team says what it may
		},
		taken: []int{http.StatusConflict}, named: true,
	}
}

func pathOf(r Repository) string { return url.PathEscape(r.Owner) + "/" + url.PathEscape(r.Name) }

// hubRepository is the part of a repository that is read.
type hubRepository struct {
	FullName string `json:"full_name"`
	CloneURL string `json:"clone_url"`
	SSHURL   string `json:"ssh_url"`
}

func (h hubRepository) location(made bool) Location {
	return Location{HTTPS: h.CloneURL, SSH: sshURL(h.SSHURL), Made: made}
}

// sshURL turns git@host:path into a URL.
func sshURL(address string) string {
	if host, path, ok := strings.Cut(address, ":"); ok && !strings.Contains(address, "://") {
		return "ssh://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	return address
}

// Ensure implements [Forge].
func (g *github) Ensure(ctx context.Context, r Repository) (Location, error) {
	var found hubRepository
	err := g.call(ctx, http.MethodGet, "/repos/"+pathOf(r), nil, &found)
	if err == nil {
		return found.location(false), nil
	}
	if !is(err, http.StatusNotFound) {
		return Location{}, fmt.Errorf("look for the repository %s: %w", r, err)
	}
	path := "/orgs/" + url.PathEscape(r.Owner) + "/repos"
	if r.Personal {
		path = "/user/repos"
	}
	// It stays empty: the first push makes the first branch the default one.
	wanted := map[string]any{"name": r.Name, "private": r.Private, "description": r.Description, "auto_init": false}
	if g.named && r.Branch != "" {
		wanted["default_branch"] = r.Branch
	}
	err = g.call(ctx, http.MethodPost, path, wanted, &found)
	if is(err, g.taken...) && g.call(ctx, http.MethodGet, "/repos/"+pathOf(r), nil, &found) == nil {
		return found.location(false), nil // somebody else was faster
	}
	switch {
	case is(err, http.StatusNotFound):
		return Location{}, fmt.Errorf("make the repository %s: there is no organisation %s, or it is hidden from the token; for the account of a user, add --personal: %w", r, r.Owner, err)
	case err != nil:
		return Location{}, fmt.Errorf("make the repository %s: %w", r, err)
	case !strings.EqualFold(found.FullName, r.String()):
		return Location{}, fmt.Errorf("the repository was made as %s: the token is not that of %s", found.FullName, r.Owner)
	}
	return found.location(true), g.grant(ctx, r)
}

// grant gives the teams access.
func (g *github) grant(ctx context.Context, r Repository) error {
	for _, t := range r.Teams {
		path, body := g.team(r, t)
		if err := g.call(ctx, http.MethodPut, path, body, nil); err != nil {
			return fmt.Errorf("give the team %s access to %s: %w", t.Name, r, err)
		}
	}
	return nil
}

// Allow implements [Forge].
func (g *github) Allow(ctx context.Context, r Repository, k Key) (bool, error) {
	return allow(ctx, g, r, k)
}

func (g *github) keys(ctx context.Context, r Repository) ([]deployKey, error) {
	var all []deployKey
	type key struct {
		ID       int64  `json:"id"`
		Title    string `json:"title"`
		Key      string `json:"key"`
		ReadOnly bool   `json:"read_only"`
	}
	err := pages(ctx, &g.client, "/repos/"+pathOf(r)+"/keys", func(k key) {
		all = append(all, deployKey{strconv.FormatInt(k.ID, 10), k.Title, k.Key, !k.ReadOnly})
	})
	return all, err
}

func (g *github) addKey(ctx context.Context, r Repository, k Key) error {
	return g.call(ctx, http.MethodPost, "/repos/"+pathOf(r)+"/keys", map[string]any{
		"title": k.Title, "key": k.Public, "read_only": !k.Write,
	}, nil)
}

func (g *github) dropKey(ctx context.Context, r Repository, id string) error {
	return g.call(ctx, http.MethodDelete, "/repos/"+pathOf(r)+"/keys/"+id, nil, nil)
}
