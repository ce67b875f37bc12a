package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

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
	rules, err := ignore.Of(b, patterns)
	if err != nil {
		return nil, nil, err
	}
	matcher := rules.Matcher()
	b.Keep(func(path string) bool { return !matcher.Excludes(path) })
	return b.Build()
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
