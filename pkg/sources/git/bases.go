package git

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// Bases fetches public repositories that a build refers to.
type Bases struct {
	// Store holds the blobs while they are used.
	Store *artifacts.Store
	// Limits bound one repository.
	Limits artifacts.Limits
	// Headroom is the memory that fetches share; nil is without bounds.
	Headroom *artifacts.Headroom
}

// Fetch returns all files of a repository at a branch, a tag or a commit; an
// empty ref is the default branch.
func (b *Bases) Fetch(ctx context.Context, repository, ref string) (fs.FS, error) {
	remote := &Remote{URL: repository, Limits: b.Limits, Memory: b.Headroom.Share()}
	defer remote.Memory.Leave()
	s, err := remote.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	head, err := s.Any(ref)
	if err != nil {
		return nil, err
	}
	commit, err := s.Fetch(ctx, head)
	if err != nil {
		return nil, err
	}
	snapshot, err := commit.Snapshot(ctx, b.Store, Checkout{Ignore: "!*"})
	if err != nil {
		return nil, err
	}
	return snapshot.Tree, nil
}

// Any finds the commit that a branch, a tag, a full reference name or a commit id
// stands for, whichever ref is; nothing is the default branch.
func (s *Session) Any(ref string) (Head, error) {
	switch {
	case ref == "":
		if s.refs.Head == nil {
			return Head{}, fmt.Errorf("'%s': %w: there is no default branch", s.remote.safeURL(), ErrRefNotFound)
		}
		return Head{Commit: *s.refs.Head}, nil
	case plumbing.IsHash(ref):
		return s.Resolve(Ref{Commit: ref})
	}
	for _, name := range []plumbing.ReferenceName{
		plumbing.NewBranchReferenceName(ref), plumbing.NewTagReferenceName(ref), plumbing.ReferenceName(ref),
	} {
		if h, err := s.reference(name); err == nil {
			return h, nil
		}
	}
	return Head{}, fmt.Errorf("'%s': %w: %s", s.remote.safeURL(), ErrRefNotFound, ref)
}
