package artifacts

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Limits bound what one tree may hold. A zero field means its default.
type Limits struct {
	// Bytes of all files together; 256 MiB.
	Bytes int64
	// Files is how many; 100,000.
	Files int
	// Path is the length of one path in bytes; 1,024.
	Path int
	// Depth is how many directories one may be nested in; 64.
	Depth int
}

func (l Limits) orDefaults() Limits {
	return Limits{
		Bytes: cmp.Or(l.Bytes, 256<<20), Files: cmp.Or(l.Files, 100_000),
		Path: cmp.Or(l.Path, 1024), Depth: cmp.Or(l.Depth, 64),
	}
}

// Warning tells of something that a tree leaves out.
type Warning struct{ Path, Problem string }

// String returns the path and the problem.
func (w Warning) String() string { return w.Path + ": " + w.Problem }

// Builder collects the files of one tree. It is not safe for concurrent use.
type Builder struct {
	store  *Store
	limits Limits
	files  []file
	seen   map[string]string // folded path -> path
	blobs  map[Digest]*blob
	links  []link
	bytes  int64
	// warnings are the first of those that were given so far.
	warnings []Warning
	warned   int
	cost     int64 // of the blobs that the store does not have
	keep     func(path string) bool
}

type link struct{ path, target string }

// NewBuilder returns a builder whose blobs are shared with what s holds.
func (s *Store) NewBuilder(limits Limits) *Builder {
	return &Builder{
		store: s, limits: limits.orDefaults(),
		seen: make(map[string]string), blobs: make(map[Digest]*blob),
	}
}

// AddFile adds a file; only the executable bits of mode count. The content is
// copied. Names that cannot be part of a tree are [ErrBadPath], too much of
// anything is [ErrLimit].
func (b *Builder) AddFile(name string, mode fs.FileMode, content []byte) error {
	if b.bytes+int64(len(content)) > b.limits.Bytes {
		return fmt.Errorf("%w: the files have more than %d bytes", ErrLimit, b.limits.Bytes)
	}
	return b.add(name, mode&0o111 != 0, b.intern(content))
}

// add adds a file whose content is a blob already.
func (b *Builder) add(name string, exec bool, content *blob) error {
	if err := b.admit(name); err != nil {
		return err
	}
	if b.bytes += int64(content.size); b.bytes > b.limits.Bytes {
		return fmt.Errorf("%w: the files have more than %d bytes", ErrLimit, b.limits.Bytes)
	}
	b.files = append(b.files, file{path: name, exec: exec, blob: content})
	return nil
}

// AddSymlink adds a symbolic link. A link whose target is a file or a directory
// of the tree becomes a copy of it; any other is left out with a [Warning].
func (b *Builder) AddSymlink(name, target string) error {
	if err := b.admit(name); err != nil {
		return err
	}
	b.links = append(b.links, link{name, target})
	return nil
}

// AddTree adds the files of a tree below dir; "." is the root.
func (b *Builder) AddTree(dir string, t *Tree) error {
	for _, f := range t.files {
		if err := b.add(path.Join(dir, f.path), f.exec, f.blob); err != nil {
			return err
		}
	}
	return nil
}

// maxWarnings is how many warnings a builder keeps of those that are given while
// it collects.
const maxWarnings = 100

func (b *Builder) warn(name, problem string) {
	if b.warned++; b.warned <= maxWarnings {
		b.warnings = append(b.warnings, Warning{name, problem})
	}
}

// told returns the warnings so far.
func (b *Builder) told() []Warning {
	told := slices.Clone(b.warnings)
	if more := b.warned - len(told); more > 0 {
		told = append(told, Warning{".", fmt.Sprintf("%d more entries are left out", more)})
	}
	return told
}

// Each calls f with the files so far whose last path element is name. The content is
// valid until f returns.
func (b *Builder) Each(name string, f func(path string, content []byte) error) error {
	for _, one := range b.files {
		if path.Base(one.path) != name {
			continue
		}
		content, err := one.blob.content()
		if err != nil {
			return err
		}
		if err := f(one.path, content); err != nil {
			return err
		}
	}
	return nil
}

// Keep has Build leave out the files for which keep returns false. Links to them
// are followed all the same.
func (b *Builder) Keep(keep func(path string) bool) { b.keep = keep }

// AddFileOf adds the file that t has under name, whose content is shared and not
// read. It is an error of [fs.ErrNotExist] if there is none.
func (b *Builder) AddFileOf(t *Tree, name string) error {
	f, ok := t.lookup(name)
	if !ok {
		return &fs.PathError{Op: "add", Path: name, Err: fs.ErrNotExist}
	}
	return b.add(name, f.exec, f.blob)
}

// admit checks a path against the limits and the paths so far.
func (b *Builder) admit(name string) error {
	switch {
	case !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\x00\\"):
		return fmt.Errorf("%w %q", ErrBadPath, name)
	case len(name) > b.limits.Path:
		return fmt.Errorf("%w: a path has more than %d bytes", ErrLimit, b.limits.Path)
	case strings.Count(name, "/") > b.limits.Depth:
		return fmt.Errorf("%w: %q is nested deeper than %d", ErrLimit, name, b.limits.Depth)
	case len(b.files)+len(b.links) >= b.limits.Files:
		return fmt.Errorf("%w: there are more than %d files", ErrLimit, b.limits.Files)
	}
	folded := strings.ToLower(name)
	if twin, ok := b.seen[folded]; ok {
		return fmt.Errorf("%w %q: it differs from %q in case at most", ErrBadPath, name, twin)
	}
	b.seen[folded] = name
	return nil
}

func (b *Builder) intern(content []byte) *blob {
	sum := Digest(sha256.Sum256(content))
	if known, ok := b.blobs[sum]; ok {
		return known
	}
	known := b.store.blob(sum)
	if known == nil {
		known = newBlob(content, sum)
		known.pack() // at once, so that what is unpacked is never all in memory
		b.cost += known.cost()
	}
	b.blobs[sum] = known
	return known
}

// Build returns the tree and what it leaves out.
func (b *Builder) Build() (*Tree, []Warning, error) {
	byPath := func(x, y file) int { return strings.Compare(x.path, y.path) }
	slices.SortFunc(b.files, byPath)
	warnings, err := b.follow()
	if err != nil {
		return nil, nil, err
	}
	warnings = append(b.told(), warnings...)
	if b.keep != nil {
		b.files = slices.DeleteFunc(b.files, func(f file) bool { return !b.keep(f.path) })
	}
	slices.SortFunc(b.files, byPath)
	if twice := fileAndDirectory(b.files); twice != "" {
		return nil, nil, fmt.Errorf("%w %q: it is a file and a directory", ErrBadPath, twice)
	}
	return seal(b.files), warnings, nil
}

// fileAndDirectory returns a path that is both among sorted files, or nothing. Others
// may come between a and a/b, such as a-b.
func fileAndDirectory(files []file) string {
	t, checked := &Tree{files: files}, ""
	for _, f := range files {
		dir := path.Dir(f.path)
		for d := dir; d != "." && d != checked; d = path.Dir(d) {
			if _, ok := t.lookup(d); ok {
				return d
			}
		}
		checked = dir
	}
	return ""
}

// follow replaces the links by what they point at. A link to a link is followed
// once the other is resolved; those left over point nowhere, out of the tree,
// or at each other.
func (b *Builder) follow() ([]Warning, error) {
	pending := b.links
	for len(pending) > 0 {
		var unresolved []link
		base := &Tree{files: b.files}
		var added []file
		for _, l := range pending {
			found := base.resolve(l)
			if found == nil {
				unresolved = append(unresolved, l)
			}
			added = append(added, found...)
		}
		if len(added) == 0 {
			break
		}
		for _, f := range added {
			b.bytes += int64(f.blob.size)
		}
		if len(b.files)+len(added) > b.limits.Files || b.bytes > b.limits.Bytes {
			return nil, fmt.Errorf("%w: following symbolic links makes the tree too large", ErrLimit)
		}
		b.files = append(b.files, added...)
		slices.SortFunc(b.files, func(x, y file) int { return strings.Compare(x.path, y.path) })
		pending = unresolved
	}
	var warnings []Warning
	for _, l := range pending {
		warnings = append(warnings, Warning{l.path, "the symbolic link does not point at a file of the tree and is left out"})
	}
	return warnings, nil
}

// resolve returns the files that a link stands for, nil if it points at none. A
// link to a directory that contains the link itself is never followed.
func (t *Tree) resolve(l link) []file {
	if path.IsAbs(l.target) {
		return nil
	}
	target := path.Join(path.Dir(l.path), l.target)
	if !fs.ValidPath(target) || target == "." || strings.HasPrefix(l.path, target+"/") {
		return nil
	}
	if f, ok := t.lookup(target); ok {
		return []file{{path: l.path, exec: f.exec, blob: f.blob}}
	}
	var out []file
	for _, f := range t.below(target) {
		out = append(out, file{path: l.path + f.path[len(target):], exec: f.exec, blob: f.blob})
	}
	return out
}
