package git

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// maxSubmoduleDepth bounds submodules of submodules, which could go round.
const maxSubmoduleDepth = 8

// modules are the submodules that one commit declares.
type modules struct {
	parent *Commit
	follow bool
	depth  int
	urls   map[string]string // by path
}

func newModules(c *Commit, root *object.Tree, follow bool, depth int) *modules {
	m := &modules{parent: c, follow: follow, depth: depth, urls: make(map[string]string)}
	f, err := root.File(".gitmodules")
	if err != nil {
		return m
	}
	content, err := f.Contents()
	if err != nil {
		return m
	}
	declared := config.NewModules()
	if declared.Unmarshal([]byte(content)) != nil {
		return m
	}
	for _, s := range declared.Submodules {
		m.urls[path.Clean(s.Path)] = s.URL
	}
	return m
}

// submodule adds the files of the submodule at rel, or nothing where they are
// not wanted.
func (w *walker) submodule(ctx context.Context, m *modules, rel, at string, commit plumbing.Hash) error {
	if !m.follow {
		return nil
	}
	address, ok := m.urls[rel]
	if !ok {
		w.warnings = append(w.warnings, artifacts.Warning{Path: at, Problem: "the submodule is not declared in .gitmodules and is left out"})
		return nil
	}
	if m.depth >= maxSubmoduleDepth {
		return fmt.Errorf("%w: submodules are nested deeper than %d", ErrTooLarge, maxSubmoduleDepth)
	}
	remote, err := m.parent.remote.submodule(address)
	if err != nil {
		return fmt.Errorf("submodule %q: %w", rel, err)
	}
	session, err := remote.Connect(ctx)
	if err != nil {
		return fmt.Errorf("submodule %q: %w", rel, err)
	}
	defer session.Close()
	c, err := session.Fetch(ctx, Head{Commit: commit, history: true})
	if err != nil {
		return fmt.Errorf("submodule %q: %w", rel, err)
	}
	return w.commit(ctx, c, at, true, m.depth+1)
}

// submodule returns the remote of a submodule. A relative address starts at
// that of r. The credentials of r go along to the same host only.
func (r *Remote) submodule(address string) (*Remote, error) {
	base, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL does not parse", ErrConfig)
	}
	target, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL of the submodule does not parse", ErrConfig)
	}
	if strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") {
		target = base.JoinPath(address)
	}
	sub := *r
	sub.URL = target.String()
	if target.Scheme != base.Scheme || target.Host != base.Host {
		sub.Auth, sub.TLS = Auth{}, nil
	}
	return &sub, nil
}
