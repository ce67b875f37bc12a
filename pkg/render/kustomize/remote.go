package kustomize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
)

// RemoteFetcher fetches Git repositories.
type RemoteFetcher interface {
	// Fetch returns the files of a repository at a branch, tag or commit; an empty
	// ref is the default branch.
	Fetch(ctx context.Context, repository, ref string) (fs.FS, error)
}

// repository is a Git repository in the way kustomize names one.
type repository struct {
	url, folder, ref string
}

// parseRepository reads what follows the form <repository>[//<folder>][?ref=<ref>].
// Without // the repository ends at .git, or with the second part of the path.
func parseRepository(text string) (repository, error) {
	text, query, _ := strings.Cut(strings.TrimPrefix(text, "git::"), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return repository{}, errors.New("malformed query")
	}
	r := repository{ref: values.Get("ref")}
	if r.ref == "" {
		r.ref = values.Get("version")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case ok:
		scheme += "://"
	case strings.HasPrefix(strings.ToLower(text), "github.com/"):
		scheme, rest = "https://", text
	default:
		scheme, rest = "", text // user@host:path
	}
	r.url, r.folder = splitFolder(rest)
	r.url = scheme + r.url
	if r.folder = path.Clean(r.folder); !fs.ValidPath(r.folder) {
		return repository{}, errors.New("the folder is not inside of the repository")
	}
	return r, nil
}

// host returns the name or address of the server.
func (r repository) host() string {
	if u, err := url.Parse(r.url); err == nil && u.Host != "" {
		return u.Hostname()
	}
	_, rest, _ := strings.Cut(r.url, "@")
	host, _, _ := strings.Cut(rest, ":")
	return host
}

// splitFolder splits host/org/repo/folder, or user@host:org/repo/folder.
func splitFolder(text string) (repo, folder string) {
	if before, after, ok := strings.Cut(text, "//"); ok {
		return before, after
	}
	if i := strings.Index(text, "/_git/"); i >= 0 {
		name, after, _ := strings.Cut(text[i+len("/_git/"):], "/")
		return text[:i+len("/_git/")] + name, after
	}
	if before, after, ok := strings.Cut(text, ".git"); ok {
		return before + ".git", strings.TrimPrefix(after, "/")
	}
	parts := 3 // host, organisation, name
	if head, _, _ := strings.Cut(text, "/"); strings.Contains(head, ":") && strings.Contains(head, "@") {
		parts = 2
	}
	fields := strings.SplitN(text, "/", parts+1)
	if len(fields) <= parts {
		return text, ""
	}
	return strings.Join(fields[:parts], "/"), fields[parts]
}

// isRepository says whether a URL among the resources means a Git repository rather
// than a file. kustomize finds out by trying; this goes by the look.
func isRepository(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return true // ssh, or user@host:path
	}
	switch path.Ext(u.Path) {
	case ".yaml", ".yml", ".json":
		return u.Query().Get("ref") != "" && strings.Contains(u.Path, "//")
	}
	return strings.Contains(u.Path, "//") || strings.Contains(u.Path, ".git") || strings.Contains(u.Path, "/_git/") ||
		u.Query().Has("ref") || u.Query().Has("version") || strings.EqualFold(u.Host, "github.com")
}

// fetch gets what a gate has found missing and puts copies into the view.
func (b *Builder) fetch(ctx context.Context, g *gate) error {
	pending := g.pending
	g.pending = nil
	for _, r := range pending {
		if _, done := g.copies[r]; done {
			continue
		}
		name := redact(r.text)
		if b.config.NoRemoteBases {
			return fmt.Errorf("load %s: %w", name, ErrRemoteBases)
		}
		if len(g.copies) >= b.config.MaxRemote {
			return fmt.Errorf("load %s: %w: there are more than %d remote references", name, ErrLimit, b.config.MaxRemote)
		}
		copied, err := b.fetchOne(ctx, g.view, r, path.Join(fetched, fmt.Sprint(len(g.copies))))
		if err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
		g.copies[r] = copied
		g.view.trace.Volatile = true
	}
	return nil
}

// fetchOne puts one copy at base, or below it, and returns where.
func (b *Builder) fetchOne(ctx context.Context, v *view, r reference, base string) (string, error) {
	if r.use == asBase && isRepository(r.text) {
		return b.fetchRepository(ctx, v, r.text, base)
	}
	content, err := b.web.get(ctx, r.text)
	if err != nil {
		return "", err
	}
	p := path.Join(base, "file.yaml")
	return p, v.WriteFile(p, content)
}

func (b *Builder) fetchRepository(ctx context.Context, v *view, text, base string) (string, error) {
	if strings.HasPrefix(strings.ToLower(strings.TrimPrefix(text, "git::")), "file:") {
		return "", fmt.Errorf("%w: it is a local file", ErrAddress)
	}
	r, err := parseRepository(text)
	if err != nil {
		return "", err
	}
	if b.config.Repositories == nil {
		return "", ErrNoFetcher
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.Timeout)
	defer cancel()
	if err := b.web.reachable(ctx, r.host()); err != nil {
		return "", err
	}
	files, err := b.config.Repositories.Fetch(ctx, r.url, r.ref)
	if err != nil {
		return "", err
	}
	v.repositories[base] = files
	return path.Join(base, r.folder), nil
}

// redact takes credentials off a reference.
func redact(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	return u.Redacted()
}
