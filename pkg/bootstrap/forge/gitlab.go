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

// gitlab speaks the REST API of GitLab, version 4.
type gitlab struct{ client }

func newGitLab(base *url.URL, o Options) *gitlab {
	return &gitlab{client{
		base: base.String() + "/api/v4", token: o.Token, header: "PRIVATE-TOKEN",
		accept: "application/json", http: transport.NewClient(o.Transport),
	}}
}

// labProject is the part of a project that is read.
type labProject struct {
	ID   int64  `json:"id"`
	Path string `json:"path_with_namespace"`
	HTTP string `json:"http_url_to_repo"`
	SSH  string `json:"ssh_url_to_repo"`
}

func (p labProject) location(made bool) Location {
	return Location{HTTPS: p.HTTP, SSH: sshURL(p.SSH), Made: made}
}

// project returns the path of a project in the API, by its name.
func project(r Repository) string { return "/projects/" + url.PathEscape(r.String()) }

// Ensure implements [Forge].
func (g *gitlab) Ensure(ctx context.Context, r Repository) (Location, error) {
	var found labProject
	err := g.call(ctx, http.MethodGet, project(r), nil, &found)
	if err == nil {
		return found.location(false), nil
	}
	if !is(err, http.StatusNotFound) {
		return Location{}, fmt.Errorf("look for the project %s: %w", r, err)
	}
	wanted := map[string]any{
		"name": r.Name, "path": r.Name, "description": r.Description,
		"visibility": r.visibility(), "initialize_with_readme": false,
	}
	if !r.Personal {
		group, err := g.group(ctx, r.Owner)
		if err != nil {
			return Location{}, fmt.Errorf("make the project %s: %w", r, err)
		}
		wanted["namespace_id"] = group
	}
	err = g.call(ctx, http.MethodPost, "/projects", wanted, &found)
	if is(err, http.StatusBadRequest, http.StatusConflict) && g.call(ctx, http.MethodGet, project(r), nil, &found) == nil {
		return found.location(false), nil // somebody else was faster
	}
	switch {
	case err != nil:
		return Location{}, fmt.Errorf("make the project %s: %w", r, err)
	case !strings.EqualFold(found.Path, r.String()):
		return Location{}, fmt.Errorf("the project was made as %s: the token is not that of %s", found.Path, r.Owner)
	}
	return found.location(true), g.grant(ctx, r)
}

// visibility returns who sees the project, in the words of GitLab.
func (r Repository) visibility() string {
	switch {
	case r.Visibility != "":
		return r.Visibility
	case r.Private:
		return "private"
	}
	return "public"
}

// group returns the id of a group.
func (g *gitlab) group(ctx context.Context, path string) (int64, error) {
	var group struct {
		ID int64 `json:"id"`
	}
	err := g.call(ctx, http.MethodGet, "/groups/"+url.PathEscape(path), nil, &group)
	if is(err, http.StatusNotFound) {
		return 0, fmt.Errorf("there is no group %s, or it is hidden from the token; for the account of a user, add --personal: %w", path, err)
	}
	return group.ID, err
}

// levels are the access levels of GitLab by their names.
var levels = map[string]int{"guest": 10, "reporter": 20, "developer": 30, "maintain": 40, "maintainer": 40, "": 40}

// grant shares the project with groups.
func (g *gitlab) grant(ctx context.Context, r Repository) error {
	for _, t := range r.Teams {
		level, ok := levels[t.Permission]
		if !ok {
			return fmt.Errorf("%q is no access level of GitLab", t.Permission)
		}
		group, err := g.group(ctx, t.Name)
		if err == nil {
			err = g.call(ctx, http.MethodPost, project(r)+"/share", map[string]any{"group_id": group, "group_access": level}, nil)
		}
		if err != nil && !is(err, http.StatusConflict) {
			return fmt.Errorf("share %s with the group %s: %w", r, t.Name, err)
		}
	}
	return nil
}

// Allow implements [Forge].
func (g *gitlab) Allow(ctx context.Context, r Repository, k Key) (bool, error) {
	return allow(ctx, g, r, k)
}

func (g *gitlab) keys(ctx context.Context, r Repository) ([]deployKey, error) {
	var all []deployKey
	type key struct {
		ID      int64  `json:"id"`
		Title   string `json:"title"`
		Key     string `json:"key"`
		CanPush bool   `json:"can_push"`
	}
	err := pages(ctx, &g.client, project(r)+"/deploy_keys", func(k key) {
		all = append(all, deployKey{strconv.FormatInt(k.ID, 10), k.Title, k.Key, k.CanPush})
	})
	return all, err
}

func (g *gitlab) addKey(ctx context.Context, r Repository, k Key) error {
	return g.call(ctx, http.MethodPost, project(r)+"/deploy_keys", map[string]any{
		"title": k.Title, "key": k.Public, "can_push": k.Write,
	}, nil)
}

func (g *gitlab) dropKey(ctx context.Context, r Repository, id string) error {
	return g.call(ctx, http.MethodDelete, project(r)+"/deploy_keys/"+id, nil, nil)
}
