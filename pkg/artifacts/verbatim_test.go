package artifacts_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

func TestVerbatim(t *testing.T) {
	dir := t.TempDir()
	store, err := artifacts.New(artifacts.Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	content := []byte(noise(7, 8<<10))
	sum := sha256.Sum256(content)
	tree, err := store.Verbatim("layer.tar.gz", content)
	if err != nil {
		t.Fatal(err)
	}
	if tree.Digest() != "sha256:"+hex.EncodeToString(sum[:]) || tree.Size() != int64(len(content)) {
		t.Errorf("the tree is %s of %d bytes", tree.Digest(), tree.Size())
	}
	checkVerbatim(t, tree, content)
	put, err := store.Put(apps, "1", tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	store.Close()

	later := newStore(t, artifacts.Options{CacheDir: dir})
	again, release, err := later.Open(apps, put.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	checkVerbatim(t, again, content)
}

func checkVerbatim(t *testing.T, tree *artifacts.Tree, content []byte) {
	t.Helper()
	if name, ok := tree.Verbatim(); !ok || name != "layer.tar.gz" {
		t.Errorf("the tree is verbatim %q %v", name, ok)
	}
	var out bytes.Buffer
	if err := tree.WriteTarGz(&out); err != nil || !bytes.Equal(out.Bytes(), content) {
		t.Errorf("it writes other bytes: %v", err)
	}
	if got, err := fs.ReadFile(tree, "layer.tar.gz"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("it reads as other bytes: %v", err)
	}
}

func TestUnpacked(t *testing.T) {
	store := newStore(t, artifacts.Options{})
	plain := build(t, store, map[string]string{"a/b": "1", "c": "2"})
	if got, err := store.Unpacked(t.Context(), plain); err != nil || got != plain {
		t.Errorf("a tree of files unpacks to %v, %v", got, err)
	}
	var archive bytes.Buffer
	if err := plain.WriteTarGz(&archive); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content []byte
		kind    error
	}{"an archive": {archive.Bytes(), nil}, "something else": {[]byte("text"), artifacts.ErrArchive}} {
		tree, err := store.Verbatim("layer.tar.gz", tt.content)
		if err != nil {
			t.Fatal(err)
		}
		got, err := store.Unpacked(t.Context(), tree)
		if !errors.Is(err, tt.kind) || err == nil && got.Digest() != plain.Digest() {
			t.Errorf("%s unpacks to %v, %v", name, got, err)
		}
	}
}

func TestVerbatimNames(t *testing.T) {
	if _, err := newStore(t, artifacts.Options{}).Verbatim("../x", nil); !errors.Is(err, artifacts.ErrBadPath) {
		t.Errorf("a path out of the tree: %v", err)
	}
}

func TestKeep(t *testing.T) {
	b := newStore(t, artifacts.Options{}).NewBuilder(artifacts.Limits{})
	for _, name := range []string{"a/x", "b/y"} {
		if err := b.AddFile(name, 0o644, []byte(strings.Repeat(name, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddSymlink("b/x", "../a/x"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	err := b.Each("x", func(path string, content []byte) error { seen[path] = string(content); return nil })
	if diff := cmp.Diff(map[string]string{"a/x": strings.Repeat("a/x", 1000)}, seen); err != nil || diff != "" {
		t.Error(err, diff)
	}
	b.Keep(func(path string) bool { return !strings.HasPrefix(path, "a/") })
	tree, warnings, err := b.Build()
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	if _, ok := tree.FileDigest("a/x"); ok || tree.Len() != 2 {
		t.Errorf("the tree has %d files, and a/x %v", tree.Len(), ok)
	}
}
