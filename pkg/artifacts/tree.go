package artifacts

import (
	"crypto/sha256"
	"io/fs"
	"slices"
	"strings"
)

// Tree is an immutable file tree. It implements [fs.FS], [fs.ReadFileFS],
// [fs.ReadDirFS] and [fs.StatFS]. Directories exist as far as files are in
// them, as in Git. Times are zero.
type Tree struct {
	files   []file // sorted by path
	digest  string
	size    int64
	holders int // owners that hold it; guarded by the store
	// verbatim says that the artifact is the one file itself, not an archive of it.
	verbatim bool
}

type file struct {
	path string
	exec bool
	blob *blob
}

func (f file) mode() fs.FileMode {
	if f.exec {
		return 0o755
	}
	return 0o644
}

// Digest returns sha256:<hex> of the deterministic tar.gz of the tree, which is
// what status.artifact.digest says.
func (t *Tree) Digest() string { return t.digest }

// Size returns the bytes of that tar.gz.
func (t *Tree) Size() int64 { return t.size }

// Verbatim returns the path of the one file that the artifact consists of as it
// was received, and whether it is such an artifact.
func (t *Tree) Verbatim() (path string, ok bool) {
	if !t.verbatim {
		return "", false
	}
	return t.files[0].path, true
}

// Len returns the number of files.
func (t *Tree) Len() int { return len(t.files) }

// FileDigest returns a digest of the content and mode of a file, without
// reading it, and whether there is such a file.
func (t *Tree) FileDigest(path string) (Digest, bool) {
	f, ok := t.lookup(path)
	if !ok {
		return Digest{}, false
	}
	sum := f.blob.sum
	if f.exec {
		sum[0] ^= 0xff
	}
	return sum, true
}

// DirDigest returns a digest of the listing of a directory (names and kinds,
// not contents) and whether there is such a directory.
func (t *Tree) DirDigest(path string) (Digest, bool) {
	entries, ok := t.list(path)
	if !ok {
		return Digest{}, false
	}
	h := sha256.New()
	for _, e := range entries {
		kind := byte('f')
		if e.IsDir() {
			kind = 'd'
		}
		h.Write(append([]byte(e.Name()), 0, kind))
	}
	return Digest(h.Sum(nil)), true
}

// lookup finds a file.
func (t *Tree) lookup(path string) (file, bool) {
	i, ok := slices.BinarySearchFunc(t.files, path, func(f file, p string) int { return strings.Compare(f.path, p) })
	if !ok {
		return file{}, false
	}
	return t.files[i], true
}

// below returns the files under a directory; "." is the root.
func (t *Tree) below(dir string) []file {
	if dir == "." {
		return t.files
	}
	prefix := dir + "/"
	start, _ := slices.BinarySearchFunc(t.files, prefix, func(f file, p string) int { return strings.Compare(f.path, p) })
	end := start
	for end < len(t.files) && strings.HasPrefix(t.files[end].path, prefix) {
		end++
	}
	return t.files[start:end]
}

// pack compresses the blobs. It must not be called while others read the tree,
// unless it was called before.
func (t *Tree) pack() {
	for _, f := range t.files {
		f.blob.pack()
	}
}

// cost is what the tree takes of the budget beside its blobs.
func (t *Tree) cost() int64 {
	var n int64
	for _, f := range t.files {
		n += int64(len(f.path)) + 48
	}
	return n
}

// Sub returns the part of the tree below dir, whose blobs are shared, and
// whether there is such a directory.
func (t *Tree) Sub(dir string) (*Tree, bool) {
	below := t.below(dir)
	if len(below) == 0 && dir != "." {
		return nil, false
	}
	cut := 0
	if dir != "." {
		cut = len(dir) + 1
	}
	files := make([]file, len(below))
	for i, f := range below {
		files[i] = file{path: f.path[cut:], exec: f.exec, blob: f.blob}
	}
	return seal(files), true
}
