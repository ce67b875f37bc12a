package git

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"
)

// Ref says which commit is wanted. Commit has priority over Name, then Tag,
// SemVer and Branch; nothing at all means the branch master.
type Ref struct{ Branch, Tag, SemVer, Name, Commit string }

// defaultBranch is wanted where nothing else is said.
const defaultBranch = "master"

// Head is a commit and what it was found by.
type Head struct {
	// Name is the short name of a branch or tag, or the full name of another
	// reference; empty for a bare commit.
	Name string
	// Ref is the full name of the reference, empty for a bare commit.
	Ref plumbing.ReferenceName
	// Commit is what is checked out, Tag the annotated tag that names it, if any.
	Commit, Tag plumbing.Hash

	// history says that the commit must be found in the history of Ref, or in
	// that of any branch if there is none.
	history bool
	// rivals are other tags of the same precedence; the newest commit wins.
	rivals []Head
}

// Revision returns <name>@sha1:<commit>, or sha1:<commit> for a bare commit.
func (h Head) Revision() string {
	digest := "sha1:" + h.Commit.String()
	if h.Name == "" {
		return digest
	}
	return h.Name + "@" + digest
}

// Final says that the revision is known without fetching.
func (h Head) Final() bool { return len(h.rivals) == 0 }

// Resolve finds the commit that ref stands for among the references of the
// remote. [ErrRefNotFound] says that there is none.
func (s *Session) Resolve(ref Ref) (Head, error) {
	switch {
	case ref.Commit != "":
		return s.commit(ref)
	case ref.Name != "":
		return s.named(ref.Name)
	case ref.Tag != "":
		return s.reference(plumbing.NewTagReferenceName(ref.Tag))
	case ref.SemVer != "":
		return s.semver(ref.SemVer)
	}
	return s.reference(plumbing.NewBranchReferenceName(cmp.Or(ref.Branch, defaultBranch)))
}

// reference finds a reference by its full name.
func (s *Session) reference(name plumbing.ReferenceName) (Head, error) {
	hash, ok := s.refs.References[name.String()]
	if !ok {
		return Head{}, fmt.Errorf("unable to clone '%s': %w: %s", s.remote.safeURL(), ErrRefNotFound, name)
	}
	h := Head{Name: name.Short(), Ref: name, Commit: hash}
	if peeled, annotated := s.refs.Peeled[name.String()]; annotated {
		h.Commit, h.Tag = peeled, hash
	}
	return h, nil
}

// named finds a reference whose full name the user gave.
func (s *Session) named(name string) (Head, error) {
	if strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") {
		return Head{}, fmt.Errorf("%w: the reference name %q must not start or end with a slash", ErrConfig, name)
	}
	h, err := s.reference(plumbing.ReferenceName(strings.TrimSuffix(name, "^{}")))
	h.Name = name
	return h, err
}

// commit names a commit, and the reference in whose history it must be.
func (s *Session) commit(ref Ref) (Head, error) {
	if !plumbing.IsHash(ref.Commit) {
		return Head{}, fmt.Errorf("%w: %q is not a full commit id", ErrConfig, ref.Commit)
	}
	h := Head{Commit: plumbing.NewHash(ref.Commit), history: true}
	var parent Head
	var err error
	switch {
	case ref.Name != "":
		parent, err = s.named(ref.Name)
	case ref.Branch != "":
		parent, err = s.reference(plumbing.NewBranchReferenceName(ref.Branch))
	default:
		return h, nil
	}
	if err != nil {
		return h, err
	}
	h.Name, h.Ref = parent.Name, parent.Ref
	h.history = parent.Commit != h.Commit
	return h, nil
}

// semver finds the tag with the highest version in a range. Tags may have a
// leading v; they need all three parts of a version.
func (s *Session) semver(expression string) (Head, error) {
	constraint, err := semver.NewConstraint(expression)
	if err != nil {
		return Head{}, fmt.Errorf("unable to clone '%s': semver %q: %w", s.remote.safeURL(), expression, err)
	}
	type candidate struct {
		version *semver.Version
		head    Head
	}
	var found []candidate
	for name := range s.refs.References {
		tag, ok := strings.CutPrefix(name, "refs/tags/")
		if !ok || strings.Count(strings.SplitN(tag, "-", 2)[0], ".") < 2 {
			continue
		}
		v, err := semver.NewVersion(tag)
		if err != nil || !constraint.Check(v) {
			continue
		}
		h, err := s.reference(plumbing.ReferenceName(name))
		if err == nil {
			found = append(found, candidate{v, h})
		}
	}
	if len(found) == 0 {
		return Head{}, fmt.Errorf("unable to clone '%s': %w: no tag is in the range %q", s.remote.safeURL(), ErrRefNotFound, expression)
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(b.version.Compare(a.version), strings.Compare(a.head.Name, b.head.Name))
	})
	best := found[0].head
	for _, other := range found[1:] {
		if !other.version.Equal(found[0].version) {
			break
		}
		if other.head.Commit != best.Commit {
			best.rivals = append(best.rivals, other.head)
		}
	}
	return best, nil
}

// Recorded returns the head of a revision that was fetched before: the commit
// by its id, whatever the reference stands for now.
func (s *Session) Recorded(revision string, ref Ref) (Head, error) {
	name, id, ok := strings.Cut(revision, "sha1:")
	if !ok || !plumbing.IsHash(id) {
		return Head{}, fmt.Errorf("%w: %q is not a revision of a Git repository", ErrConfig, revision)
	}
	if now, err := s.Resolve(ref); err == nil && now.Revision() == revision {
		return now, nil
	}
	return Head{Name: strings.TrimSuffix(name, "@"), Commit: plumbing.NewHash(id), history: true}, nil
}
