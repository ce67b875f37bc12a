package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/render"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Where things lie in a view.
const (
	root    = "/artifact" // the tree
	fetched = "/fetched"  // remote files, and a folder per remote repository
)

// view is what kustomize sees: a tree, read-only and traced, with files in memory
// over it and fetched repositories beside it. It implements [filesys.FileSystem] as
// far as builds need it.
type view struct {
	tree   render.Tree
	trace  *render.Trace
	limits Limits
	// files lie over everything else, by absolute path.
	files map[string][]byte
	// repositories by absolute path.
	repositories map[string]fs.FS
	// gate is shown every kustomization file that kustomize is about to read, and
	// returns what it gets to see.
	gate func(path string, content []byte) ([]byte, error)
	read int64 // bytes so far
	admission
	// refused is why a kustomization file was not handed out. kustomize takes one that
	// cannot be read for one that is not there.
	refused error
}

func newView(tree render.Tree, trace *render.Trace, limits Limits) *view {
	return &view{
		tree: tree, trace: trace, limits: limits,
		files: make(map[string][]byte), repositories: make(map[string]fs.FS),
	}
}

// place is where a path leads.
type place struct {
	fs.FS
	base string // of the file system, in the view
	name string // in the file system
	tree bool   // it is the artifact
}

// locate returns where an absolute path leads.
func (v *view) locate(op, p string) (place, error) {
	p = clean(p)
	if name, ok := below(p, root); ok {
		return place{v.tree, root, name, true}, nil
	}
	for base, repository := range v.repositories {
		if name, ok := below(p, base); ok {
			return place{repository, base, name, false}, nil
		}
	}
	return place{}, escape(op, p, root)
}

// clean makes a path absolute.
func clean(p string) string {
	if !path.IsAbs(p) {
		p = path.Join(root, p)
	}
	return path.Clean(p)
}

// below returns p relative to base, and whether it is base or below it.
func below(p, base string) (string, bool) {
	if p == base {
		return ".", true
	}
	return strings.CutPrefix(p, base+"/")
}

// kindOf is what there is under a path.
type kindOf uint8

const (
	nothing kindOf = iota
	regular
	folder
)

// kind returns what there is under p.
func (v *view) kind(op, p string) (kindOf, error) {
	if _, ok := v.files[clean(p)]; ok {
		return regular, nil
	}
	at, err := v.locate(op, p)
	if err != nil {
		return nothing, err
	}
	if at.tree {
		v.trace.Kind(v.tree, at.name)
	}
	info, err := fs.Stat(at, at.name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return nothing, nil
	case err != nil:
		return nothing, err
	case info.IsDir():
		return folder, nil
	}
	return regular, nil
}

// ReadFile implements [filesys.FileSystem].
func (v *view) ReadFile(p string) ([]byte, error) {
	content, err := v.raw(p)
	if !slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(p)) {
		return content, err
	}
	if err == nil && v.gate != nil {
		content, err = v.gate(clean(p), content)
	}
	if err != nil && v.refused == nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		v.refused = err
	}
	return content, err
}

// raw returns the content of a file within the limits, before the gate.
func (v *view) raw(p string) ([]byte, error) {
	content, ok := v.files[clean(p)]
	if !ok {
		at, err := v.locate("read", p)
		if err != nil {
			return nil, err
		}
		if at.tree {
			v.trace.Content(v.tree, at.name)
		}
		if content, err = fs.ReadFile(at, at.name); err != nil {
			return nil, &fs.PathError{Op: "open", Path: clean(p), Err: cause(err)}
		}
	}
	if v.read += int64(len(content)); v.read > v.limits.Total {
		return nil, fmt.Errorf("%s: %w: the build reads more than %d bytes", clean(p), ErrLimit, v.limits.Total)
	}
	if err := v.limits.check(content); err != nil {
		return nil, fmt.Errorf("%s: %w", clean(p), err)
	}
	return content, v.admission.add(content)
}

// cause takes the path off an error, which is one inside of the tree.
func cause(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// list returns what is in a folder of the tree, by name.
func (v *view) list(p string) ([]fs.DirEntry, error) {
	at, err := v.locate("open", p)
	if err != nil {
		return nil, err
	}
	if at.tree {
		v.trace.Listing(v.tree, at.name)
	}
	return fs.ReadDir(at, at.name)
}

// ReadDir implements [filesys.FileSystem].
func (v *view) ReadDir(p string) ([]string, error) {
	entries, err := v.list(p)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// CleanedAbs implements [filesys.FileSystem]. A tree has no symbolic links.
func (v *view) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	p = clean(p)
	kind, err := v.kind("lstat", p)
	switch {
	case err != nil:
		return "", "", err
	case kind == folder:
		return filesys.ConfirmedDir(p), "", nil
	case kind == regular:
		return filesys.ConfirmedDir(path.Dir(p)), path.Base(p), nil
	}
	return "", "", &fs.PathError{Op: "lstat", Path: p, Err: ErrPathNotFound}
}

// Exists implements [filesys.FileSystem].
func (v *view) Exists(p string) bool {
	kind, err := v.kind("stat", p)
	return err == nil && kind != nothing
}

// IsDir implements [filesys.FileSystem].
func (v *view) IsDir(p string) bool {
	kind, err := v.kind("stat", p)
	return err == nil && kind == folder
}

// isFile says whether p is a regular file.
func (v *view) isFile(p string) bool {
	kind, err := v.kind("stat", p)
	return err == nil && kind == regular
}

// WriteFile implements [filesys.FileSystem]: it writes to memory.
func (v *view) WriteFile(p string, content []byte) error {
	v.files[clean(p)] = content
	return nil
}

// The rest of [filesys.FileSystem] is not needed by builds.

// Open is not supported.
func (*view) Open(string) (filesys.File, error) { return nil, errors.ErrUnsupported }

// Create is not supported.
func (*view) Create(string) (filesys.File, error) { return nil, errors.ErrUnsupported }

// Mkdir is not supported.
func (*view) Mkdir(string) error { return errors.ErrUnsupported }

// MkdirAll is not supported.
func (*view) MkdirAll(string) error { return errors.ErrUnsupported }

// RemoveAll is not supported.
func (*view) RemoveAll(string) error { return errors.ErrUnsupported }

// Glob is not supported.
func (*view) Glob(string) ([]string, error) { return nil, errors.ErrUnsupported }

// Walk is not supported.
func (*view) Walk(string, filepath.WalkFunc) error { return errors.ErrUnsupported }
