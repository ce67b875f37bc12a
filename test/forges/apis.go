package forges

import (
	"net/http"
	"strings"
)

// apis are the APIs by the kind of forge: GitHub's REST API of 2022-11-28, as an
// Enterprise Server offers it, version 4 of GitLab's, and version 1 of Gitea's.
var apis = map[string]api{
	"github": {
		root: "/api/v3",
		authorised: func(h http.Header, token string) bool {
			return h.Get("Authorization") == "Bearer "+token && h.Get("Accept") == "application/vnd.github+json" && h.Get("User-Agent") != ""
		},
		route: routeHub, repository: hubRepository, key: hubKey,
		making: []string{"name", "description", "private", "auto_init", "visibility"}, keying: []string{"title", "key", "read_only"},
		taken: func() (int, any) {
			return http.StatusUnprocessableEntity, map[string]any{"message": "Repository creation failed.", "errors": []any{
				map[string]any{"resource": "Repository", "code": "custom", "field": "name", "message": "name already exists on this account"},
			}}
		},
		sorry: func(message string) any {
			return map[string]any{"message": message, "documentation_url": "https://docs.example.com/rest"}
		},
	},
	"gitea": {
		root:       "/api/v1",
		authorised: func(h http.Header, token string) bool { return h.Get("Authorization") == "token "+token },
		route:      routeHub, repository: hubRepository, key: hubKey,
		making: []string{"name", "description", "private", "auto_init", "default_branch"}, keying: []string{"title", "key", "read_only"},
		taken: func() (int, any) {
			return http.StatusConflict, map[string]any{"message": "The repository with the same name already exists.", "url": "https://example.com/api/swagger"}
		},
		sorry: func(message string) any {
			return map[string]any{"message": message, "url": "https://example.com/api/swagger"}
		},
	},
	"gitlab": {
		root:       "/api/v4",
		authorised: func(h http.Header, token string) bool { return h.Get("PRIVATE-TOKEN") == token },
		route:      routeLab, repository: labProject,
		key: func(k Key) any {
			return map[string]any{"id": k.ID, "title": k.Title, "key": k.Line, "can_push": k.Write}
		},
		making: []string{"name", "path", "description", "visibility", "namespace_id", "initialize_with_readme"}, keying: []string{"title", "key", "can_push"},
		taken: func() (int, any) {
			return http.StatusBadRequest, map[string]any{"message": map[string]any{"path": []string{"has already been taken"}}}
		},
		sorry: func(message string) any { return map[string]any{"message": message} },
	},
}

// routeHub knows the paths of GitHub, and of Gitea, which has teams elsewhere.
func routeHub(method string, p []string) (call, bool) {
	at := method + " " + strings.Join(shape(p), "/")
	name := func() string { return p[1] + "/" + p[2] }
	switch at {
	case "GET repos/*/*":
		return call{what: "find", repo: name()}, true
	case "POST orgs/*/repos":
		return call{what: "make", repo: p[1]}, true
	case "POST user/repos":
		return call{what: "make"}, true
	case "GET repos/*/*/keys":
		return call{what: "keys", repo: name()}, true
	case "POST repos/*/*/keys":
		return call{what: "addKey", repo: name()}, true
	case "DELETE repos/*/*/keys/*":
		return call{what: "dropKey", repo: name(), id: p[4]}, true
	case "PUT orgs/*/teams/*/repos/*/*":
		return call{what: "team", repo: p[5] + "/" + p[6], id: p[3]}, true
	case "PUT repos/*/*/teams/*":
		return call{what: "team", repo: name(), id: p[4]}, true
	}
	return call{}, false
}

// shape replaces the names in a path.
func shape(p []string) []string {
	shape := append([]string(nil), p...)
	for i, part := range shape {
		switch part {
		case "repos", "orgs", "user", "keys", "teams":
		default:
			shape[i] = "*"
		}
	}
	return shape
}

// routeLab knows the paths of GitLab, where a project is one part.
func routeLab(method string, p []string) (call, bool) {
	switch {
	case method == "POST" && len(p) == 1 && p[0] == "projects":
		return call{what: "make"}, true
	case method == "GET" && len(p) == 2 && p[0] == "groups":
		return call{what: "group", repo: p[1]}, true
	case len(p) < 2 || p[0] != "projects":
		return call{}, false
	}
	rest := method + " " + strings.Join(p[2:], "/")
	switch {
	case rest == "GET ":
		return call{what: "find", repo: p[1]}, true
	case rest == "GET deploy_keys":
		return call{what: "keys", repo: p[1]}, true
	case rest == "POST deploy_keys":
		return call{what: "addKey", repo: p[1]}, true
	case rest == "POST share":
		return call{what: "team", repo: p[1]}, true
	case strings.HasPrefix(rest, "DELETE deploy_keys/"):
		return call{what: "dropKey", repo: p[1], id: p[3]}, true
	}
	return call{}, false
}

// hubRepository is what GitHub and Gitea tell of a repository, as far as clients look
// at it.
func hubRepository(f *Forge, name string, r *Repo) any {
	owner, short, _ := strings.Cut(name, "/")
	return map[string]any{
		"id": r.ID, "name": short, "full_name": name, "private": r.Private, "fork": false, "default_branch": "main",
		"owner":       map[string]any{"login": owner, "id": 1, "type": "Organization"},
		"html_url":    f.URL + "/" + name,
		"clone_url":   f.Git.RepoURL(r.Repo),
		"ssh_url":     f.SSH.RepoURL(r.Repo),
		"permissions": map[string]any{"admin": true, "push": true, "pull": true},
	}
}

func hubKey(k Key) any {
	return map[string]any{"id": k.ID, "title": k.Title, "key": k.Line, "read_only": !k.Write, "verified": true, "created_at": "2026-01-01T00:00:00Z"}
}

func labProject(f *Forge, name string, r *Repo) any {
	at := strings.LastIndex(name, "/")
	visibility := "public"
	if r.Private {
		visibility = "private"
	}
	return map[string]any{
		"id": r.ID, "name": name[at+1:], "path": name[at+1:], "path_with_namespace": name, "visibility": visibility,
		"namespace":        map[string]any{"full_path": name[:at], "kind": "group"},
		"http_url_to_repo": f.Git.RepoURL(r.Repo),
		"ssh_url_to_repo":  f.SSH.RepoURL(r.Repo),
		"web_url":          f.URL + "/" + name,
	}
}
