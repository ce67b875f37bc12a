package artifacts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

func newStore(t testing.TB, o artifacts.Options) *artifacts.Store {
	t.Helper()
	s, err := artifacts.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func build(t testing.TB, s *artifacts.Store, files map[string]string) *artifacts.Tree {
	t.Helper()
	b := s.NewBuilder(artifacts.Limits{})
	for name, content := range files {
		if err := b.AddFile(name, 0o644, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	tree, warnings, err := b.Build()
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return tree
}

func TestTreeIsAFileSystem(t *testing.T) {
	tree := build(t, newStore(t, artifacts.Options{}), map[string]string{
		"a.yaml": "a", "dir/b.yaml": "b", "dir/sub/c.yaml": strings.Repeat("c", 5000), "dir-x/d.yaml": "d",
	})
	if err := fstest.TestFS(tree, "a.yaml", "dir/b.yaml", "dir/sub/c.yaml", "dir-x/d.yaml"); err != nil {
		t.Error(err)
	}
}

// The digest is part of the API: one that changed would look like a new artifact
// of every source after an upgrade.
func TestDigestIsForEver(t *testing.T) {
	tree := build(t, newStore(t, artifacts.Options{}), map[string]string{"a.yaml": "a: 1\n", "b/c.yaml": "c: 2\n"})
	const want = "sha256:d9a53a18f74f5a6e400a020e86df4f525c57a697b259ea0bb2c726718a1489e6"
	if tree.Digest() != want {
		t.Errorf("got %s, want %s", tree.Digest(), want)
	}
}

func TestDigestIsThatOfTheArchive(t *testing.T) {
	s := newStore(t, artifacts.Options{})
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		files := make(map[string]string)
		for range random.IntN(30) {
			name := fmt.Sprintf("d%d/f%d", random.IntN(4), random.IntN(100))
			files[name] = strings.Repeat("x", random.IntN(4000))
		}
		tree := build(t, s, files)
		var archive bytes.Buffer
		if err := tree.WriteTarGz(&archive); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(archive.Bytes())
		if got := "sha256:" + hex.EncodeToString(sum[:]); got != tree.Digest() || int64(archive.Len()) != tree.Size() {
			t.Errorf("the archive has %s and %d bytes, the tree says %s and %d", got, archive.Len(), tree.Digest(), tree.Size())
		}
		if diff := cmp.Diff(files, unpack(t, &archive)); diff != "" {
			t.Errorf("the archive differs (-want +got):\n%s", diff)
		}
	}
}

func unpack(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for tr := tar.NewReader(z); ; {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func TestDigestsOfParts(t *testing.T) {
	s := newStore(t, artifacts.Options{})
	a := build(t, s, map[string]string{"x/a": "1", "x/b": "2"})
	edited := build(t, s, map[string]string{"x/a": "1", "x/b": "3"})
	added := build(t, s, map[string]string{"x/a": "1", "x/b": "2", "x/c": "3"})
	file := func(tree *artifacts.Tree, p string) artifacts.Digest { d, _ := tree.FileDigest(p); return d }
	dir := func(tree *artifacts.Tree, p string) artifacts.Digest { d, _ := tree.DirDigest(p); return d }
	switch {
	case file(a, "x/a") != file(edited, "x/a"):
		t.Error("the digest of an equal file differs")
	case file(a, "x/b") == file(edited, "x/b"):
		t.Error("the digest of an edited file is the same")
	case dir(a, "x") != dir(edited, "x"):
		t.Error("an edit changes the listing")
	case dir(a, "x") == dir(added, "x"):
		t.Error("a new file does not change the listing")
	}
	if _, ok := a.DirDigest("y"); ok {
		t.Error("a missing directory has a digest")
	}
}

func TestBuilderRefuses(t *testing.T) {
	s := newStore(t, artifacts.Options{})
	limits := artifacts.Limits{Bytes: 10, Files: 3, Path: 20, Depth: 2}
	for name, tt := range map[string]struct {
		files []string
		want  error
	}{
		"a way out":            {[]string{"../a"}, artifacts.ErrBadPath},
		"a hidden way out":     {[]string{"a/../../b"}, artifacts.ErrBadPath},
		"an absolute path":     {[]string{"/etc/passwd"}, artifacts.ErrBadPath},
		"NUL":                  {[]string{"a\x00b"}, artifacts.ErrBadPath},
		"a backslash":          {[]string{`a\b`}, artifacts.ErrBadPath},
		"a twin in case":       {[]string{"README", "readme"}, artifacts.ErrBadPath},
		"a file twice":         {[]string{"a", "a"}, artifacts.ErrBadPath},
		"a file and directory": {[]string{"a", "a/b"}, artifacts.ErrBadPath},
		"with one in between":  {[]string{"a", "a-b", "a/b/c"}, artifacts.ErrBadPath},
		"too many files":       {[]string{"a", "b", "c", "d"}, artifacts.ErrLimit},
		"a long path":          {[]string{strings.Repeat("a", 21)}, artifacts.ErrLimit},
		"a deep path":          {[]string{"a/b/c/d"}, artifacts.ErrLimit},
		"too many bytes":       {[]string{"12345678901"}, artifacts.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.NewBuilder(limits)
			var err error
			for _, f := range tt.files {
				content := "x"
				if name == "too many bytes" {
					content = f
				}
				err = errors.Join(err, b.AddFile(f, 0o644, []byte(content)))
			}
			_, _, buildErr := b.Build()
			if err = errors.Join(err, buildErr); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSymlinks(t *testing.T) {
	b := newStore(t, artifacts.Options{}).NewBuilder(artifacts.Limits{})
	if err := b.AddFile("dir/a.yaml", 0o644, []byte("a")); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"file":     "dir/a.yaml",
		"all":      "dir",
		"dir/up":   "../dir/a.yaml",
		"chained":  "file",
		"out":      "../../etc/passwd",
		"absolute": "/etc/passwd",
		"nowhere":  "missing",
		"loop1":    "loop2",
		"loop2":    "loop1",
		"dir/self": "../dir",
	} {
		if err := b.AddSymlink(name, target); err != nil {
			t.Fatal(err)
		}
	}
	tree, warnings, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "all/a.yaml", "dir/up", "chained"} {
		if content, err := fs.ReadFile(tree, name); err != nil || string(content) != "a" {
			t.Errorf("%s: got %q, %v", name, content, err)
		}
	}
	var dropped []string
	for _, w := range warnings {
		dropped = append(dropped, w.Path)
		if _, err := fs.Stat(tree, w.Path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is in the tree: %v", w.Path, err)
		}
	}
	want := map[string]bool{"out": true, "absolute": true, "nowhere": true, "loop1": true, "loop2": true, "dir/self": true}
	if len(dropped) != len(want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
}

func TestFilesOfAnotherTree(t *testing.T) {
	s := newStore(t, artifacts.Options{})
	old := build(t, s, map[string]string{"a.yaml": "a", "dir/b.yaml": strings.Repeat("b", 5000)})
	b := s.NewBuilder(artifacts.Limits{Bytes: 5000})
	if err := b.AddFileOf(old, "dir/b.yaml"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"gone": fs.ErrNotExist, "dir": fs.ErrNotExist, "dir/b.yaml": artifacts.ErrBadPath, "a.yaml": artifacts.ErrLimit,
	} {
		if err := b.AddFileOf(old, name); !errors.Is(err, want) {
			t.Errorf("%s: the error is %v, want %v", name, err, want)
		}
	}
	b = s.NewBuilder(artifacts.Limits{})
	if err := errors.Join(b.AddFileOf(old, "dir/b.yaml"), b.AddFileOf(old, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil || tree.Digest() != old.Digest() {
		t.Errorf("the digest is %s and the error %v, want %s", tree.Digest(), err, old.Digest())
	}
}
