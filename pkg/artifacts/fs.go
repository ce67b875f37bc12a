package artifacts

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Open implements [fs.FS].
func (t *Tree) Open(name string) (fs.File, error) {
	info, err := t.stat("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		entries, _ := t.list(name)
		return &openDir{info: info, entries: entries}, nil
	}
	content, err := info.file.blob.content()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{info: info, Reader: bytes.NewReader(content)}, nil
}

// ReadFile implements [fs.ReadFileFS]. The caller owns the bytes.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	info, err := t.stat("read", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	content, err := info.file.blob.content()
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if !info.file.blob.packed {
		content = slices.Clone(content)
	}
	return content, nil
}

// Stat implements [fs.StatFS].
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	info, err := t.stat("stat", name)
	if err != nil {
		return nil, err
	}
	return info, nil
}

// ReadDir implements [fs.ReadDirFS].
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := t.stat("readdir", name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, _ := t.list(name)
	return entries, nil
}

func (t *Tree) stat(op, name string) (*info, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if f, ok := t.lookup(name); ok {
		return &info{name: path.Base(name), file: &f}, nil
	}
	if name == "." || len(t.below(name)) > 0 {
		return &info{name: path.Base(name)}, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// list returns what is in a directory, by name, and whether there is one.
func (t *Tree) list(dir string) ([]fs.DirEntry, bool) {
	below := t.below(dir)
	if len(below) == 0 && dir != "." {
		return nil, false
	}
	cut := 0
	if dir != "." {
		cut = len(dir) + 1
	}
	var entries []fs.DirEntry
	last := ""
	for i := range below {
		name, _, nested := strings.Cut(below[i].path[cut:], "/")
		switch {
		case !nested:
			entries = append(entries, fs.FileInfoToDirEntry(&info{name: name, file: &below[i]}))
		case name != last:
			entries = append(entries, fs.FileInfoToDirEntry(&info{name: name}))
			last = name
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, true
}

// info implements [fs.FileInfo]; file is nil for a directory.
type info struct {
	name string
	file *file
}

func (i *info) Name() string       { return i.name }
func (i *info) IsDir() bool        { return i.file == nil }
func (i *info) ModTime() time.Time { return time.Time{} }
func (i *info) Sys() any           { return nil }

func (i *info) Size() int64 {
	if i.file == nil {
		return 0
	}
	return int64(i.file.blob.size)
}

func (i *info) Mode() fs.FileMode {
	if i.file == nil {
		return fs.ModeDir | 0o755
	}
	return i.file.mode()
}

type openFile struct {
	info *info
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info    *info
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

// ReadDir implements [fs.ReadDirFile].
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.entries) {
		if n > 0 && len(d.entries) == 0 {
			return nil, io.EOF
		}
		n = len(d.entries)
	}
	out := d.entries[:n]
	d.entries = d.entries[n:]
	return out, nil
}
