package forge_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/fluxd/fluxd/pkg/bootstrap"
	"github.com/fluxd/fluxd/pkg/bootstrap/forge"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/forges"
)

var kinds = []string{forge.GitHub, forge.GitLab, forge.Gitea}

const token = "a-token-of-mine"

// start plays a forge.
func start(t *testing.T, kind string) (*forges.Forge, forge.Forge) {
	t.Helper()
	root := t.TempDir()
	git, err := gittest.Serve(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = git.Close() })
	shell, err := gittest.ServeSSH(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shell.Close() })
	f, err := forges.Start(forges.Options{Kind: kind, Token: token, User: "me", Owners: []string{"example", "group/below"}, Git: git, SSH: shell})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, client(t, kind, f.URL, token)
}

func client(t *testing.T, kind, url, token string) forge.Forge {
	t.Helper()
	c, err := forge.New(forge.Options{Kind: kind, Hostname: url, Token: token, Transport: &http.Transport{}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fleet(owner string) forge.Repository {
	return forge.Repository{Owner: owner, Name: "fleet", Private: true, Branch: "main", Description: "clusters", Personal: owner == "me"}
}

func TestEnsure(t *testing.T) {
	for _, kind := range kinds {
		for _, owner := range []string{"example", "me"} {
			t.Run(kind+"/"+owner, func(t *testing.T) {
				f, c := start(t, kind)
				r := fleet(owner)
				made, err := c.Ensure(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				repo := f.Repo(owner + "/fleet")
				if !made.Made || repo == nil || !repo.Private {
					t.Errorf("%+v, %+v", made, repo)
				}
				if made.HTTPS != f.Git.RepoURL(repo.Repo) || made.SSH != f.SSH.RepoURL(repo.Repo) {
					t.Errorf("%+v", made)
				}
				again, err := c.Ensure(t.Context(), r)
				if err != nil || again.Made || again.HTTPS != made.HTTPS {
					t.Errorf("%+v, %v", again, err)
				}
			})
		}
	}
}

func TestEnsureInANestedGroup(t *testing.T) {
	f, c := start(t, forge.GitLab)
	if _, err := c.Ensure(t.Context(), fleet("group/below")); err != nil {
		t.Fatal(err)
	}
	if f.Repo("group/below/fleet") == nil {
		t.Error("it is not there")
	}
}

// GitLab knows more than private and public.
func TestVisibility(t *testing.T) {
	for visibility, want := range map[string]string{"": "private", "internal": "internal", "public": "public"} {
		f, c := start(t, forge.GitLab)
		r := fleet("example")
		r.Private, r.Visibility = true, visibility
		if _, err := c.Ensure(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := f.Repo("example/fleet").Visibility; got != want {
			t.Errorf("%q makes it %v, want %s", visibility, got, want)
		}
	}
}

// Somebody else makes the repository between the look and the making.
func TestEnsureTwoAtOnce(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			f, c := start(t, kind)
			if _, err := c.Ensure(t.Context(), fleet("example")); err != nil {
				t.Fatal(err)
			}
			looks := 0
			f.Refuse(func(method, path string) (int, string) {
				if method == http.MethodGet && strings.HasSuffix(path, "fleet") {
					if looks++; looks == 1 {
						return http.StatusNotFound, "Not Found"
					}
				}
				return 0, ""
			})
			at, err := c.Ensure(t.Context(), fleet("example"))
			if err != nil || at.Made {
				t.Errorf("%+v, %v", at, err)
			}
		})
	}
}

func TestTeams(t *testing.T) {
	for kind, want := range map[string]string{
		forge.GitHub: "platform:maintain,readers:pull", forge.Gitea: "platform:,readers:", forge.GitLab: "1:40,2:20",
	} {
		t.Run(kind, func(t *testing.T) {
			f, c := start(t, kind)
			r := fleet("example")
			r.Teams = []forge.Team{{Name: "platform"}, {Name: "readers", Permission: "pull"}}
			if kind == forge.GitLab {
				r.Teams = []forge.Team{{Name: "example"}, {Name: "group/below", Permission: "reporter"}}
			}
			if _, err := c.Ensure(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, strings.Join(f.Repo("example/fleet").Teams, ",")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// key returns a new key.
func key(t *testing.T, title string, write bool) forge.Key {
	t.Helper()
	pair, err := bootstrap.KeyType{Algorithm: "ed25519"}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey(pair.Public); err != nil {
		t.Fatal(err)
	}
	return forge.Key{Title: title, Public: strings.TrimSpace(string(pair.Public)), Write: write}
}

func TestAllow(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			f, c := start(t, kind)
			r := fleet("example")
			if _, err := c.Ensure(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			other, mine := key(t, "another cluster", false), key(t, "edge", false)
			allow := func(k forge.Key, want bool) {
				t.Helper()
				if added, err := c.Allow(t.Context(), r, k); err != nil || added != want {
					t.Fatalf("added %v, %v", added, err)
				}
			}
			allow(other, true)
			allow(mine, true)
			allow(mine, false)
			mine.Write = true // the same key with more rights
			allow(mine, true)
			next := key(t, "edge", true) // its successor
			allow(next, true)
			allow(other, false)
			want := []forges.Key{{Title: other.Title, Line: other.Public}, {Title: next.Title, Line: next.Public, Write: true}}
			got := f.Repo("example/fleet").Keys
			for i := range got {
				got[i].ID = 0
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			f, c := start(t, kind)
			check := func(what string, err error, parts ...string) {
				t.Helper()
				for _, part := range parts {
					if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), token) {
						t.Errorf("%s: %v, want %q", what, err, part)
					}
				}
			}
			_, err := client(t, kind, f.URL, "another").Ensure(t.Context(), fleet("example"))
			check("a wrong token", err, "the token is not accepted", "Bad credentials")
			_, err = c.Ensure(t.Context(), fleet("strangers"))
			check("an unknown owner", err, "strangers", "--personal")
			r := fleet("somebody")
			r.Personal = true
			_, err = c.Ensure(t.Context(), r)
			check("somebody else's account", err, "was made as me/fleet", "the token is not that of somebody")
			f.Refuse(func(method, _ string) (int, string) {
				if method == http.MethodPost {
					return http.StatusForbidden, "your token " + token + " lacks a scope"
				}
				return 0, ""
			})
			_, err = c.Ensure(t.Context(), forge.Repository{Owner: "example", Name: "new"})
			check("a token without the right", err, "the token has no right to this", "lacks a scope")
			f.Refuse(func(string, string) (int, string) { return http.StatusBadGateway, "bad gateway" })
			_, err = c.Ensure(t.Context(), fleet("example"))
			check("a broken forge", err, "502 Bad Gateway")
			_ = f.Close()
			_, err = c.Ensure(t.Context(), fleet("example"))
			check("no forge", err, "connection refused")
		})
	}
}

func TestNew(t *testing.T) {
	for name, o := range map[string]forge.Options{
		"no token":       {Kind: forge.GitHub},
		"no such kind":   {Kind: "sourceforge", Token: token},
		"a bad hostname": {Kind: forge.Gitea, Hostname: "http://", Token: token},
	} {
		if _, err := forge.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := forge.New(forge.Options{Kind: forge.GitHub}); !errors.Is(err, forge.ErrNoToken) {
		t.Error(err)
	}
}
