package git

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// tree returns what a directory becomes when files, by their path in there, get other
// contents. A directory that has no files left is none.
func (m *made) tree(old *object.Tree, from *pack, files map[string][]byte) (plumbing.Hash, error) {
	entries := slices.Clone(old.Entries)
	below := make(map[string]map[string][]byte)
	for name, content := range files {
		first, rest, deep := strings.Cut(name, "/")
		if deep {
			if below[first] == nil {
				below[first] = make(map[string][]byte)
			}
			below[first][rest] = content
			continue
		}
		entry, err := m.file(first, content, find(entries, first))
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entries = replace(entries, first, entry)
	}
	for name, inner := range below {
		entry, err := m.directory(name, find(entries, name), from, inner)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entries = replace(entries, name, entry)
	}
	sort.Sort(object.TreeEntrySorter(entries))
	return m.add(&object.Tree{Entries: entries})
}

// file returns the entry of a file, nil for one that is deleted. Its mode stays.
func (m *made) file(name string, content []byte, old *object.TreeEntry) (*object.TreeEntry, error) {
	if content == nil {
		return nil, nil
	}
	if old != nil && old.Mode != filemode.Regular && old.Mode != filemode.Executable && old.Mode != filemode.Deprecated {
		return nil, fmt.Errorf("write %q: there is something that is no file", name)
	}
	obj := m.store.NewEncodedObject()
	obj.SetType(plumbing.BlobObject)
	w, err := obj.Writer()
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	hash, err := m.put(obj)
	entry := &object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: hash}
	if old != nil && old.Mode == filemode.Executable {
		entry.Mode = old.Mode
	}
	return entry, err
}

// directory returns the entry of a directory in which files change.
func (m *made) directory(name string, old *object.TreeEntry, from *pack, files map[string][]byte) (*object.TreeEntry, error) {
	tree := &object.Tree{}
	if old != nil {
		if old.Mode != filemode.Dir {
			return nil, fmt.Errorf("write below %q: there is something that is no directory", name)
		}
		var err error
		if tree, err = object.GetTree(from, old.Hash); err != nil {
			return nil, fmt.Errorf("read the directory %q: %w", name, err)
		}
	}
	hash, err := m.tree(tree, from, files)
	if err != nil || hash == emptyTree {
		return nil, err
	}
	return &object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: hash}, nil
}

// emptyTree is the id of a directory without entries, which Git does not keep.
var emptyTree = plumbing.ComputeHash(plumbing.TreeObject, nil)

func find(entries []object.TreeEntry, name string) *object.TreeEntry {
	if i := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name }); i >= 0 {
		return &entries[i]
	}
	return nil
}

// replace returns entries with another one of a name, or without it.
func replace(entries []object.TreeEntry, name string, entry *object.TreeEntry) []object.TreeEntry {
	entries = slices.DeleteFunc(entries, func(e object.TreeEntry) bool { return e.Name == name })
	if entry == nil {
		return entries
	}
	return append(entries, *entry)
}

// File returns the content of a file of the commit. [fs.ErrNotExist] says that there is
// none.
func (c *Commit) File(name string) ([]byte, error) {
	entry, err := c.entry(name)
	if err != nil {
		return nil, err
	}
	if !entry.Mode.IsFile() || entry.Mode == filemode.Symlink {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	return found{path: name, mode: entry.Mode, hash: entry.Hash, from: c.store}.content()
}

// Names returns the names of what is in a directory of the commit, in order; none if
// there is no such directory.
func (c *Commit) Names(dir string) ([]string, error) {
	tree, err := c.commit.Tree()
	if err == nil && path.Clean(dir) != "." {
		var entry *object.TreeEntry
		if entry, err = c.entry(dir); errors.Is(err, fs.ErrNotExist) || err == nil && entry.Mode != filemode.Dir {
			return nil, nil
		}
		if err == nil {
			tree, err = object.GetTree(c.store, entry.Hash)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the directory %s: %w", dir, err)
	}
	names := make([]string, len(tree.Entries))
	for i, e := range tree.Entries {
		names[i] = e.Name
	}
	return names, nil
}

// entry finds what is at a path.
func (c *Commit) entry(name string) (*object.TreeEntry, error) {
	tree, err := c.commit.Tree()
	if err != nil {
		return nil, fmt.Errorf("read the files of '%s': %w", c.remote.safeURL(), err)
	}
	parts := strings.Split(path.Clean(name), "/")
	for i, part := range parts {
		e := find(tree.Entries, part)
		if e == nil || i < len(parts)-1 && e.Mode != filemode.Dir {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		if i == len(parts)-1 {
			return e, nil
		}
		if tree, err = object.GetTree(c.store, e.Hash); err != nil {
			return nil, fmt.Errorf("read the directory %q: %w", strings.Join(parts[:i+1], "/"), err)
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Default returns what is checked out where nobody says what: the commit that the
// remote's HEAD stands for, and whether there is one.
func (s *Session) Default() (Head, bool) {
	if s.refs.Head == nil {
		return Head{}, false
	}
	return Head{Commit: *s.refs.Head}, true
}
