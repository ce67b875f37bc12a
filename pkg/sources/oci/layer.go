package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

// Extract unpacks a layer, which must be a compressed archive (tar and gzip), and
// leaves out what patterns, in the form of a gitignore file, and the .sourceignore
// files within exclude. Symbolic links are left out, with a warning.
//
// [artifacts.ErrArchive] says that it is no such archive or has kinds of files that are
// refused, and [artifacts.ErrBadPath] that a name is.
func (r *Repository) Extract(ctx context.Context, layer Descriptor, store *artifacts.Store, patterns string) (*artifacts.Tree, []artifacts.Warning, error) {
	ctx, cancel := patient(ctx, layer.Size)
	defer cancel()
	stream, err := r.open(ctx, layer)
	if err != nil {
		return nil, nil, err
	}
	tree, warnings, err := r.unpack(ctx, stream, store.NewBuilder(r.options.Limits), patterns)
	if err := errors.Join(err, stream.Close()); err != nil {
		return nil, nil, r.failure(ctx, fmt.Sprintf("unpack the layer %s of", layer.Digest), err)
	}
	return tree, warnings, nil
}

// unpack reads from to its end, whatever comes of it: if it is not what it should
// be, that explains why it cannot be unpacked.
func (r *Repository) unpack(ctx context.Context, from io.Reader, b *artifacts.Builder, patterns string) (*artifacts.Tree, []artifacts.Warning, error) {
	var own ignore.Rules // nothing brings back what the object excludes
	own.Add(".", []byte(patterns))
	err := b.AddTarGz(ctx, from, artifacts.TarOptions{
		Memory: r.options.Memory,
		Filter: func(name string) bool { return path.Base(name) == ignore.File || !own.Excludes(name) },
	})
	if _, tail := io.Copy(io.Discard, from); errors.Is(tail, ErrDigest) || err == nil {
		err = tail
	}
	if err != nil {
		return nil, nil, err
	}
	matcher, err := rules(b, patterns)
	if err != nil {
		return nil, nil, err
	}
	b.Keep(func(path string) bool { return !matcher.Excludes(path) })
	return b.Build()
}

// maxIgnored bounds all .sourceignore files of an archive together, in bytes: every file
// is compared with each pattern.
const maxIgnored = 256 << 10

// rules returns what says which files are left out.
func rules(b *artifacts.Builder, patterns string) (*ignore.Matcher, error) {
	type file struct {
		dir     string
		content []byte
	}
	var files []file
	size := 0
	err := b.Each(ignore.File, func(name string, content []byte) error {
		dir := path.Dir(name)
		if slices.Contains(strings.Split(dir, "/"), ".git") {
			return nil
		}
		if size += len(content); size > maxIgnored {
			return fmt.Errorf("%w: the %s files have more than %d bytes", artifacts.ErrLimit, ignore.File, maxIgnored)
		}
		files = append(files, file{dir, slices.Clone(content)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b file) int { // the root first
		return cmp.Or(cmp.Compare(depth(a.dir), depth(b.dir)), cmp.Compare(a.dir, b.dir))
	})
	var all ignore.Rules
	for _, f := range files {
		all.Add(f.dir, f.content)
	}
	all.Add(".", []byte(patterns))
	return all.Matcher(), nil
}

func depth(dir string) int {
	if dir == "." {
		return 0
	}
	return strings.Count(dir, "/") + 1
}

// Copy returns a layer as it is: the artifact is the bytes of the layer, in a file
// of the given name.
func (r *Repository) Copy(ctx context.Context, layer Descriptor, store *artifacts.Store, name string) (*artifacts.Tree, error) {
	data, err := r.ReadBlob(ctx, layer)
	if err != nil {
		return nil, err
	}
	tree, err := store.Verbatim(name, data)
	if err != nil {
		return nil, r.failure(ctx, fmt.Sprintf("copy the layer %s of", layer.Digest), err)
	}
	return tree, nil
}
