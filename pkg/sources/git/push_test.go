package git_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/sources/git"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
)

// base fetches the head of a branch, or of the default branch; nil is that of an
// empty repository.
func base(ctx context.Context, t *testing.T, r *git.Remote, branch string) *git.Commit {
	t.Helper()
	s, err := r.Connect(ctx)
	if errors.Is(err, git.ErrEmpty) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	head, err := s.Resolve(git.Ref{Branch: branch})
	if errors.Is(err, git.ErrRefNotFound) {
		head, _ = s.Default()
	} else if err != nil {
		t.Fatal(err)
	}
	c, err := s.Fetch(ctx, head)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func change(files map[string][]byte) git.Change {
	return git.Change{Files: files, Message: "add things", Name: "Flux", Email: "flux@example.com", When: time.Unix(1e9, 0)}
}

// remotes are the servers of a world over HTTP and SSH.
func (w *world) remotes(t *testing.T) map[string]*git.Remote {
	t.Helper()
	ssh, err := gittest.ServeSSH(w.server.Root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ssh.Close() })
	return map[string]*git.Remote{
		"http": {URL: w.server.RepoURL(w.repo)},
		"ssh":  {URL: ssh.RepoURL(w.repo), Auth: git.Auth{Identity: ssh.Identity, KnownHosts: ssh.KnownHosts}},
	}
}

// A push changes the files that it is about and no other, on top of a history of which
// only the last commit was fetched.
func TestPush(t *testing.T) {
	for name := range map[string]bool{"http": true, "ssh": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			remote := w.remotes(t)[name]
			w.commit(t, map[string]string{"old.yaml": "a: 1\n"})
			before := w.commit(t, map[string]string{"a/b/c.yaml": "a: 1\n", "a/gone/x.yaml": "x: 1\n", "run.sh*": "#!\n", "link@": "old.yaml"})
			id, err := remote.Push(t.Context(), "main", base(t.Context(), t, remote, "main"), change(map[string][]byte{
				"a/b/d.yaml": []byte("d: 1\n"), "a/b.yaml": []byte("b: 1\n"), "a/gone/x.yaml": nil, "new/deep/e.yaml": []byte("e: 1\n"), "run.sh": []byte("#! 2\n"),
			}))
			if err != nil {
				t.Fatal(err)
			}
			out, err := w.repo.Git(t.Context(), "ls-tree", "-r", "--format=%(objectmode) %(path)", "main")
			if err != nil {
				t.Fatal(err)
			}
			want := "100644 a/b.yaml\n100644 a/b/c.yaml\n100644 a/b/d.yaml\n120000 link\n100644 new/deep/e.yaml\n100644 old.yaml\n100755 run.sh\n"
			if diff := cmp.Diff(want, out); diff != "" {
				t.Error(diff)
			}
			log, err := w.repo.Git(t.Context(), "log", "-1", "--format=%H %P %an <%ae> %at %s", "main")
			if err != nil {
				t.Fatal(err)
			}
			if want := id + " " + before + " Flux <flux@example.com> 1000000000 add things\n"; log != want {
				t.Errorf("got %q, want %q", log, want)
			}
			if out, err := w.repo.Git(t.Context(), "fsck", "--strict"); err != nil {
				t.Error(err, out)
			}
		})
	}
}

func TestPushFirstCommit(t *testing.T) {
	for name := range map[string]bool{"http": true, "ssh": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			remote := w.remotes(t)[name]
			if _, err := remote.Push(t.Context(), "main", base(t.Context(), t, remote, "main"), change(map[string][]byte{"a.yaml": []byte("a: 1\n")})); err != nil {
				t.Fatal(err)
			}
			content, err := base(t.Context(), t, remote, "main").File("a.yaml")
			if err != nil || string(content) != "a: 1\n" {
				t.Errorf("%q, %v", content, err)
			}
		})
	}
}

// A branch that is not there begins at the default branch.
func TestPushNewBranch(t *testing.T) {
	w := newWorld(t)
	first := w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	remote := &git.Remote{URL: w.server.RepoURL(w.repo)}
	if _, err := remote.Push(t.Context(), "edge", base(t.Context(), t, remote, "edge"), change(map[string][]byte{"b.yaml": []byte("b: 1\n")})); err != nil {
		t.Fatal(err)
	}
	c := base(t.Context(), t, remote, "edge")
	names, err := c.Names(".")
	if err != nil || strings.Join(names, " ") != "a.yaml b.yaml" {
		t.Errorf("%v, %v", names, err)
	}
	if head, err := w.repo.Head(t.Context(), "main"); err != nil || head != first {
		t.Errorf("main moved: %s, %v", head, err)
	}
}

// What others push in between is never lost.
func TestPushOntoABranchThatMoved(t *testing.T) {
	for name := range map[string]bool{"http": true, "ssh": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			remote := w.remotes(t)[name]
			w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
			old := base(t.Context(), t, remote, "main")
			theirs := w.commit(t, map[string]string{"a.yaml": "a: 2\n"})
			_, err := remote.Push(t.Context(), "main", old, change(map[string][]byte{"b.yaml": []byte("b: 1\n")}))
			if !errors.Is(err, git.ErrMoved) {
				t.Errorf("got %v, want ErrMoved", err)
			}
			if _, err := remote.Push(t.Context(), "main", nil, change(map[string][]byte{"b.yaml": []byte("b: 1\n")})); !errors.Is(err, git.ErrMoved) {
				t.Errorf("without a base: got %v, want ErrMoved", err)
			}
			if head, err := w.repo.Head(t.Context(), "main"); err != nil || head != theirs {
				t.Errorf("main is at %s, %v", head, err)
			}
		})
	}
}

// A hook says no, as that of a protected branch does. Its words are told.
func TestPushRefused(t *testing.T) {
	for name := range map[string]bool{"http": true, "ssh": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			remote := w.remotes(t)[name]
			w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
			hook := filepath.Join(w.repo.Dir, "hooks", "pre-receive")
			if err := os.MkdirAll(filepath.Dir(hook), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(hook, []byte("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := remote.Push(t.Context(), "main", base(t.Context(), t, remote, "main"), change(map[string][]byte{"b.yaml": []byte("b: 1\n")}))
			if !errors.Is(err, git.ErrRefused) || !strings.Contains(err.Error(), "GH006: Protected branch") || !strings.Contains(err.Error(), "hook declined") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPushWithoutTheRight(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	good := &git.Remote{URL: w.server.RepoURL(w.repo)}
	old := base(t.Context(), t, good, "main")
	w.server.RequireAuth("me", "secret-of-mine")
	for name, auth := range map[string]git.Auth{"none": {}, "wrong": {Username: "me", Password: "not-the-password"}} {
		_, err := (&git.Remote{URL: good.URL, Auth: auth}).Push(t.Context(), "main", old, change(map[string][]byte{"b.yaml": []byte("b: 1\n")}))
		if !errors.Is(err, git.ErrAuth) || strings.Contains(err.Error(), "not-the-password") {
			t.Errorf("%s: got %v, want ErrAuth", name, err)
		}
	}
	right := &git.Remote{URL: good.URL, Auth: git.Auth{Username: "me", Password: "secret-of-mine"}}
	if _, err := right.Push(t.Context(), "main", old, change(map[string][]byte{"b.yaml": []byte("b: 1\n")})); err != nil {
		t.Error(err)
	}
}

func TestFilesOfACommit(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"a/b.yaml": "b: 1\n", "a/c/d.yaml": "d: 1\n", "link@": "a/b.yaml"})
	c := base(t.Context(), t, &git.Remote{URL: w.server.RepoURL(w.repo)}, "main")
	for name, want := range map[string]string{"a/b.yaml": "b: 1\n", "./a/c/d.yaml": "d: 1\n"} {
		if content, err := c.File(name); err != nil || string(content) != want {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
	for _, name := range []string{"none", "a/none", "a/b.yaml/x", "none/x"} {
		if _, err := c.File(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"a", "link"} {
		if _, err := c.File(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want that it is no file", name, err)
		}
	}
	for dir, want := range map[string]string{".": "a link", "a": "b.yaml c", "none": "", "a/b.yaml": ""} {
		if names, err := c.Names(dir); err != nil || strings.Join(names, " ") != want {
			t.Errorf("%s: %v, %v", dir, names, err)
		}
	}
	remote := &git.Remote{URL: w.server.RepoURL(w.repo)}
	for _, name := range []string{"a", "link", "a/b.yaml/x"} {
		if _, err := remote.Push(t.Context(), "main", c, change(map[string][]byte{name: []byte("x")})); err == nil {
			t.Errorf("%s was written although it is no file", name)
		}
	}
}
