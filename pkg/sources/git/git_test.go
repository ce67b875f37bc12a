package git_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/git"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
)

// world is a served repository and a store to fetch it into.
type world struct {
	repo   *gittest.Repo
	server *gittest.Server
	store  *artifacts.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	root := t.TempDir()
	repo, err := gittest.NewRepo(t.Context(), root, "apps")
	if err != nil {
		t.Fatal(err)
	}
	server, err := gittest.Serve(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &world{repo, server, store}
}

func (w *world) commit(t testing.TB, files map[string]string) string {
	t.Helper()
	id, err := w.repo.Commit(t.Context(), "main", "change things\n\nbody", files)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) fetch(ctx context.Context, ref git.Ref, checkout git.Checkout) (*artifacts.Tree, string, error) {
	remote := &git.Remote{URL: w.server.RepoURL(w.repo)}
	s, err := remote.Connect(ctx)
	if err != nil {
		return nil, "", err
	}
	defer s.Close()
	head, err := s.Resolve(ref)
	if err != nil {
		return nil, "", err
	}
	c, err := s.Fetch(ctx, head)
	if err != nil {
		return nil, "", err
	}
	snapshot, err := c.Snapshot(ctx, w.store, checkout)
	return snapshot.Tree, snapshot.Revision, err
}

func paths(t *testing.T, tree *artifacts.Tree, dir string) string {
	t.Helper()
	var names []string
	entries, err := tree.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	first := w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	second := w.commit(t, map[string]string{"a.yaml": "a: 2\n"})
	for name, commit := range map[string]string{"v1.0.0": first, "v1.2.0": second, "v2.0.0-rc.1": second} {
		if err := w.repo.Tag(t.Context(), name, commit, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.repo.Tag(t.Context(), "annotated", first, "a tag"); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ref  git.Ref
		want string
	}{
		"a branch":                           {git.Ref{Branch: "main"}, "main@sha1:" + second},
		"a tag":                              {git.Ref{Tag: "v1.0.0"}, "v1.0.0@sha1:" + first},
		"an annotated tag is its commit":     {git.Ref{Tag: "annotated"}, "annotated@sha1:" + first},
		"the highest version in a range":     {git.Ref{SemVer: ">=1.0.0"}, "v1.2.0@sha1:" + second},
		"a full name":                        {git.Ref{Name: "refs/heads/main"}, "refs/heads/main@sha1:" + second},
		"an old commit of a branch":          {git.Ref{Branch: "main", Commit: first}, "main@sha1:" + first},
		"an old commit, wherever it is":      {git.Ref{Commit: first}, "sha1:" + first},
		"a commit comes before everything":   {git.Ref{Commit: second, Tag: "v1.0.0", SemVer: "1.x"}, "sha1:" + second},
		"a tag comes before a version range": {git.Ref{Tag: "v1.0.0", SemVer: ">=1.2.0"}, "v1.0.0@sha1:" + first},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, revision, err := w.fetch(t.Context(), tt.ref, git.Checkout{})
			if err != nil {
				t.Fatal(err)
			}
			if revision != tt.want {
				t.Errorf("got %s, want %s", revision, tt.want)
			}
		})
	}
}

func TestReferencesThatDoNotExist(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	for name, ref := range map[string]git.Ref{
		"branch":  {Branch: "nope"},
		"tag":     {Tag: "nope"},
		"name":    {Name: "refs/pull/1/head"},
		"version": {SemVer: ">=1.0.0"},
		"commit":  {Branch: "main", Commit: strings.Repeat("1", 40)},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.fetch(t.Context(), ref, git.Checkout{})
			if !errors.Is(err, git.ErrRefNotFound) {
				t.Errorf("got %v, want ErrRefNotFound", err)
			}
		})
	}
}

func TestCheckout(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{
		"apps/a.yaml": "a: 1\n", "apps/run.sh*": "#!/bin/sh\n", "docs/logo.png": "png", ".gitignore": "x\n",
		"link.yaml@": "apps/a.yaml", "escape@": "../../etc/passwd", "charts-old/x.yaml": "x: 1\n", "charts/y.yaml": "y: 1\n",
	})
	tests := map[string]struct {
		checkout git.Checkout
		want     string
	}{
		"defaults leave out pictures and version control": {git.Checkout{}, "apps charts charts-old link.yaml"},
		"own rules replace the defaults but for version control": {
			git.Checkout{Ignore: "/*\n!/docs\n"}, "docs"},
		"sparse selects by prefix":   {git.Checkout{Sparse: []string{"./apps", "charts"}}, "apps charts charts-old"},
		"sparse selects a file":      {git.Checkout{Sparse: []string{"apps/a.yaml"}}, "apps"},
		"sparse selects from within": {git.Checkout{Sparse: []string{"docs/", "charts/"}, Ignore: "*.txt"}, "charts docs"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tree, _, err := w.fetch(t.Context(), git.Ref{Branch: "main"}, tt.checkout)
			if err != nil {
				t.Fatal(err)
			}
			if got := paths(t, tree, "."); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Trees can have names that Git would never make, of which none leads anywhere.
func TestHostileNames(t *testing.T) {
	for name, tt := range map[string]struct {
		entries []string // of the root: name, or name/ for a directory with the file x
		bad     bool
	}{
		"parents":              {[]string{"../"}, true},
		"the same":             {[]string{"./"}, true},
		"a file that leads up": {[]string{"../../x"}, true},
		"an absolute one":      {[]string{"/etc/passwd"}, true},
		"a path in one":        {[]string{"a/b"}, true},
		"a backslash":          {[]string{`a\b`}, true},
		"twins in case":        {[]string{"Readme", "readme"}, true},
		"one twice":            {[]string{"a", "a"}, true},
		"of version control":   {[]string{".git/", "a"}, false}, // and left out
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(t, map[string]string{"first.yaml": "a"})
			blob := w.object(t, "blob", []byte("content"))
			below := w.object(t, "tree", entry("100644", "x", blob))
			var root []byte
			for _, e := range tt.entries {
				mode, id := "100644", blob
				if dir, ok := strings.CutSuffix(e, "/"); ok {
					mode, id, e = "40000", below, dir
				}
				root = append(root, entry(mode, e, id)...)
			}
			commit := w.object(t, "commit", []byte("tree "+w.object(t, "tree", root)+"\nauthor T <t@example.com> 0 +0000\ncommitter T <t@example.com> 0 +0000\n\nx\n"))
			if _, err := w.repo.Git(t.Context(), "update-ref", "refs/heads/main", commit); err != nil {
				t.Fatal(err)
			}
			tree, _, err := w.fetch(t.Context(), git.Ref{Branch: "main"}, git.Checkout{})
			if errors.Is(err, artifacts.ErrBadPath) != tt.bad || !tt.bad && err != nil {
				t.Fatalf("got %v", err)
			}
			if err == nil && paths(t, tree, ".") != "a" {
				t.Errorf("the tree has %s", paths(t, tree, "."))
			}
		})
	}
}

// object writes an object as it is and returns its id.
func (w *world) object(t *testing.T, kind string, content []byte) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "hash-object", "-t", kind, "-w", "--stdin", "--literally")
	cmd.Dir, cmd.Stdin = w.repo.Dir, bytes.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// entry is one of a tree.
func entry(mode, name, id string) []byte {
	raw, err := hex.DecodeString(id)
	if err != nil {
		panic(err)
	}
	return append([]byte(mode+" "+name+"\x00"), raw...)
}

func TestSparsePathsMustExist(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"charts-old/x.yaml": "x: 1\n", "apps/a.yaml": "a: 1\n"})
	for _, missing := range []string{"charts", "apps/a", "nope", "../apps", "apps/a.yaml/b"} {
		_, _, err := w.fetch(t.Context(), git.Ref{Branch: "main"}, git.Checkout{Sparse: []string{"apps", missing}})
		if !errors.Is(err, git.ErrRefNotFound) || !strings.Contains(err.Error(), strconv.Quote(missing)) {
			t.Errorf("%s: got %v, want ErrRefNotFound", missing, err)
		}
	}
}

// TestVersions has tags of versions that are alike.
func TestVersions(t *testing.T) {
	w := newWorld(t)
	first := w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	if _, err := w.repo.Git(t.Context(), "branch", "late", first); err != nil {
		t.Fatal(err)
	}
	// The committer of this one is a day ahead.
	tree, err := w.repo.Git(t.Context(), "rev-parse", first+"^{tree}")
	if err != nil {
		t.Fatal(err)
	}
	late, err := w.repo.Git(t.Context(), "-c", "user.name=T", "commit-tree", "-p", first, "-m", "late", strings.TrimSpace(tree))
	if err != nil {
		t.Fatal(err)
	}
	late = strings.TrimSpace(late)
	for name, commit := range map[string]string{
		"v1.2.0": first, "1.3.0-rc.1": late, "v2.0": late, "03.1.0": first, "latest": late, "1.4.0+a": late, "1.4.0+b": late,
	} {
		if err := w.repo.Tag(t.Context(), name, commit, ""); err != nil {
			t.Fatal(err)
		}
	}
	for expression, want := range map[string]string{
		">=1.0.0 <1.3.0":   "v1.2.0@sha1:" + first,
		">=1.0.0 <1.3.1":   "v1.2.0@sha1:" + first, // no pre-releases unless the range has one
		">=1.3.0-0 <1.3.1": "1.3.0-rc.1@sha1:" + late,
		"1.4.x":            "1.4.0+a@sha1:" + late,
		">=3.0.0":          "03.1.0@sha1:" + first,
	} {
		_, revision, err := w.fetch(t.Context(), git.Ref{SemVer: expression}, git.Checkout{})
		if err != nil || revision != want {
			t.Errorf("%s: got %s (%v), want %s", expression, revision, err, want)
		}
	}
	for _, expression := range []string{"2.x", ">>>", "latest"} { // v2.0 lacks a part
		if _, _, err := w.fetch(t.Context(), git.Ref{SemVer: expression}, git.Checkout{}); err == nil {
			t.Errorf("%s: there is a version", expression)
		}
	}
}

// References of any kind are found by their full name.
func TestNames(t *testing.T) {
	w := newWorld(t)
	commit := w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	for _, args := range [][]string{{"update-ref", "refs/pull/1/head", commit}, {"tag", "--annotate", "--message", "a tag", "v1", commit}} {
		if _, err := w.repo.Git(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"refs/heads/main":  "refs/heads/main@sha1:" + commit,
		"refs/pull/1/head": "refs/pull/1/head@sha1:" + commit,
		"refs/tags/v1":     "refs/tags/v1@sha1:" + commit,
		"refs/tags/v1^{}":  "refs/tags/v1^{}@sha1:" + commit,
		"main":             "", "/refs/heads/main": "", "refs/heads/main/": "",
	} {
		_, revision, err := w.fetch(t.Context(), git.Ref{Name: name}, git.Checkout{})
		if revision != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %s (%v), want %s", name, revision, err, want)
		}
	}
}

func TestLimitsAndCredentials(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"big.yaml": strings.Repeat("x", 1<<20)})
	remote := &git.Remote{URL: w.server.RepoURL(w.repo), Limits: artifacts.Limits{Bytes: 1 << 10}}
	s, err := remote.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	head, err := s.Resolve(git.Ref{Branch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), head); !errors.Is(err, git.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}

	w.server.RequireAuth("user", "hush-hush")
	for name, tt := range map[string]struct {
		auth git.Auth
		want error
	}{
		"none":  {git.Auth{}, git.ErrAuth},
		"wrong": {git.Auth{Username: "user", Password: "guess-work"}, git.ErrAuth},
		"right": {git.Auth{Username: "user", Password: "hush-hush"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := (&git.Remote{URL: w.server.RepoURL(w.repo), Auth: tt.auth}).Connect(t.Context())
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && tt.auth.Password != "" && strings.Contains(err.Error(), tt.auth.Password) {
				t.Errorf("the error shows the password: %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), "authentication") > 2) {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

func BenchmarkFetchSmall(b *testing.B) {
	w := newWorld(b)
	files := map[string]string{}
	for i := range 5 {
		files[fmt.Sprintf("deploy/%d.yaml", i)] = strings.Repeat("key: value\n", 40)
	}
	w.commit(b, files)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := w.fetch(b.Context(), git.Ref{Branch: "main"}, git.Checkout{}); err != nil {
			b.Fatal(err)
		}
	}
}
