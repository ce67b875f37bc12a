package bucket

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources"
	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

// Fetch gets the objects of a listing into a tree, except those that a tree of an
// earlier fetch has already. An object that is gone meanwhile is left out with a warning,
// and one that changed meanwhile is taken as it is.
//
// With an error, the snapshot has no revision. If it has a tree, that is how far the fetch
// got: the next one can begin there.
func (s *Source) Fetch(ctx context.Context, store *artifacts.Store, l *Listing, held ...Held) (sources.Snapshot, *Known, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	f := &fetch{source: s, held: held, builder: store.NewBuilder(s.Limits), entries: slices.Clone(l.entries)}
	var err error
	if f.names, err = s.rehearse(store, l); err == nil {
		err = f.all(ctx)
	}
	if err != nil {
		return f.part(ctx, err, l.rules)
	}
	if l.rules.exist {
		err = f.builder.AddFile(ignore.File, 0o644, l.rules.content)
	}
	snapshot := sources.Snapshot{}
	if err == nil {
		snapshot.Tree, snapshot.Warnings, err = f.builder.Build()
	}
	if err != nil {
		return sources.Snapshot{}, nil, f.failed(ctx, err)
	}
	warnings := append(f.warnings, snapshot.Warnings...)
	snapshot, known := s.Made(snapshot.Tree, &Listing{entries: f.fetched(), rules: l.rules})
	snapshot.Warnings = warnings
	return snapshot, known, nil
}

// Made returns the snapshot of a tree that a fetch of a listing of this bucket has made, by
// whomever, if nothing has changed meanwhile.
func (s *Source) Made(tree *artifacts.Tree, l *Listing) (sources.Snapshot, *Known) {
	return sources.Snapshot{
		Revision: l.Revision(), Tree: tree, Summary: fmt.Sprintf("%d fetched files from '%s' bucket", l.Len(), s.Name),
	}, s.know(tree, l.entries, l.rules)
}

func (f *fetch) failed(ctx context.Context, err error) error {
	return explain(ctx, large(err), "unable to fetch from bucket '%s'", f.source.Name)
}

// part returns how far a fetch got, if it is worth going on from there.
func (f *fetch) part(ctx context.Context, err error, r rules) (sources.Snapshot, *Known, error) {
	why := f.failed(ctx, err)
	if f.downloaded == 0 || errors.Is(ctx.Err(), context.Canceled) || errors.Is(why, ErrTooLarge) {
		return sources.Snapshot{}, nil, why
	}
	tree, _, err := f.builder.Build()
	if err != nil {
		return sources.Snapshot{}, nil, why
	}
	return sources.Snapshot{Tree: tree}, f.source.know(tree, f.fetched(), r), why
}

// large says in the words of this package that a limit was exceeded.
func large(err error) error {
	if errors.Is(err, artifacts.ErrLimit) || errors.Is(err, artifacts.ErrNoHeadroom) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

// rehearse makes the tree without its contents: what is wrong with the keys, the
// number of objects or their sizes costs no download. It returns the paths.
func (s *Source) rehearse(store *artifacts.Store, l *Listing) ([]string, error) {
	names, total := make([]string, len(l.entries)), int64(0)
	b := store.NewBuilder(s.Limits)
	for i, e := range l.entries {
		name, err := pathOf(e.Key)
		if err != nil {
			return nil, err
		}
		if err := b.AddFile(name, 0o644, nil); err != nil {
			return nil, badKey(e.Key, err)
		}
		if e.Size > s.maxBytes() {
			return nil, fmt.Errorf("%w: the object %q has %d bytes, and at most %d are allowed for all", ErrTooLarge, e.Key, e.Size, s.maxBytes())
		}
		if total += e.Size; total > s.maxBytes() {
			return nil, fmt.Errorf("%w: the objects have more than %d bytes", ErrTooLarge, s.maxBytes())
		}
		names[i] = name
	}
	if l.rules.exist {
		if err := b.AddFile(ignore.File, 0o644, nil); err != nil {
			return nil, badKey(ignore.File, err)
		}
	}
	_, _, err := b.Build()
	return names, badKey("", err)
}

func badKey(key string, err error) error {
	switch {
	case !errors.Is(err, artifacts.ErrBadPath):
		return err
	case key == "":
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	return fmt.Errorf("%w %q: %w", ErrKey, key, err)
}

// pathOf returns the path of an object in the tree. Empty and . segments of a key mean
// nothing to a tree, as if it were joined with a root; those that lead out of it
// are refused.
func pathOf(key string) (string, error) {
	if slices.Contains(strings.Split(key, "/"), "..") {
		return "", fmt.Errorf("%w %q: it leads out of the tree", ErrKey, key)
	}
	return strings.TrimPrefix(path.Clean("/"+key), "/"), nil
}
