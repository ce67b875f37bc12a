package git_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
)

// addSubmodule commits a link to another repository.
func addSubmodule(t *testing.T, w *world, path, url, commit string) {
	t.Helper()
	stream := "commit refs/heads/main\ncommitter T <t@example.com> now\ndata 3\nsub\nfrom refs/heads/main^0\n" +
		"M 160000 " + commit + " " + path + "\n" +
		"M 100644 inline .gitmodules\ndata <<END\n[submodule \"lib\"]\n\tpath = " + path + "\n\turl = " + url + "\nEND\n"
	cmd := exec.CommandContext(t.Context(), "git", "fast-import", "--quiet", "--force", "--date-format=now")
	cmd.Dir, cmd.Stdin = w.repo.Dir, strings.NewReader(stream)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestSubmodules(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	lib, err := gittest.NewRepo(t.Context(), filepath.Dir(w.repo.Dir), "lib")
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := lib.Commit(t.Context(), "main", "first", map[string]string{"x.yaml": "x: 1\n"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lib.Commit(t.Context(), "main", "second", map[string]string{"x.yaml": "x: 2\n"}); err != nil {
		t.Fatal(err)
	}
	addSubmodule(t, w, "vendor/lib", "../lib.git", pinned)

	tree, _, err := w.fetch(t.Context(), git.Ref{Branch: "main"}, git.Checkout{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := tree.DirDigest("vendor"); ok {
		t.Error("a submodule that nobody asked for is in the tree")
	}
	tree, _, err = w.fetch(t.Context(), git.Ref{Branch: "main"}, git.Checkout{Submodules: true})
	if err != nil {
		t.Fatal(err)
	}
	if content, err := tree.ReadFile("vendor/lib/x.yaml"); err != nil || string(content) != "x: 1\n" {
		t.Errorf("the submodule is not at its commit: %q, %v", content, err)
	}
}

func TestSubmoduleThatHoldsItself(t *testing.T) {
	w := newWorld(t)
	commit := w.commit(t, map[string]string{"a.yaml": "a: 1\n"})
	for range 12 {
		addSubmodule(t, w, "self", "../apps.git", commit)
		var err error
		if commit, err = w.repo.Head(t.Context(), "refs/heads/main"); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := w.fetch(t.Context(), git.Ref{Branch: "main"}, git.Checkout{Submodules: true})
	if !errors.Is(err, git.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}
