package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"
)

// HelmLayer is the media type of the layer that holds a Helm chart.
const HelmLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// Ref says which manifest is wanted. Digest has priority over SemVer, then Tag;
// nothing at all means the tag latest.
type Ref struct {
	Digest, SemVer, Tag string
	// Filter is a regular expression that tags must match to count for SemVer.
	Filter string
	// Chart says that tags are versions of Helm charts, in which an underscore
	// stands for the plus sign that tags cannot have.
	Chart bool
}

// defaultTag is wanted where nothing else is said.
const defaultTag = "latest"

// Version is a manifest and what it was found by.
type Version struct {
	Tag    string // empty if the digest was asked for
	Digest string // algorithm:hex
}

// Revision returns <tag>@<digest>, or the digest alone.
func (v Version) Revision() string {
	if v.Tag == "" {
		return v.Digest
	}
	return v.Tag + "@" + v.Digest
}

// ParseRevision takes a revision apart again.
func ParseRevision(revision string) (Version, error) {
	tag, sum, ok := strings.Cut(revision, "@")
	if !ok {
		tag, sum = "", revision
	}
	if err := checkDigest(sum); err != nil {
		return Version{}, fmt.Errorf("the revision %q: %w", revision, err)
	}
	return Version{tag, sum}, nil
}

func checkDigest(s string) error {
	if digest.Digest(s).Validate() != nil {
		return fmt.Errorf("%w: %q is not a digest", ErrConfig, s)
	}
	return nil
}

// Pick finds the tag that ref stands for, which means asking for all tags if ref
// is a range. It is empty if ref is a digest. [ErrNotFound] says that there is
// none, [ErrConfig] that the range or the filter is malformed.
func (r *Repository) Pick(ctx context.Context, ref Ref) (tag string, err error) {
	switch {
	case ref.Digest != "":
		return "", checkDigest(ref.Digest)
	case ref.SemVer == "":
		return cmp.Or(ref.Tag, defaultTag), nil
	}
	match, err := ref.matcher()
	if err != nil {
		return "", err
	}
	tags, err := r.Tags(ctx)
	if err != nil {
		return "", err
	}
	if tag, ok := match(tags); ok {
		return tag, nil
	}
	return "", fmt.Errorf("%w: no tag of '%s%s' is a version in the range %q", ErrNotFound, Scheme, r.name, ref.SemVer)
}

// Resolve finds the manifest that ref stands for. Only a range takes more than one
// request, and a digest takes none.
func (r *Repository) Resolve(ctx context.Context, ref Ref) (Version, error) {
	tag, err := r.Pick(ctx, ref)
	if err != nil {
		return Version{}, err
	}
	if tag == "" {
		return Version{Digest: ref.Digest}, nil
	}
	sum, err := r.Digest(ctx, tag)
	return Version{Tag: tag, Digest: sum}, err
}

// matcher returns what finds the highest version among tags.
func (ref Ref) matcher() (func(tags []string) (string, bool), error) {
	constraint, err := semver.NewConstraint(ref.SemVer)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is not a version range: %w", ErrConfig, ref.SemVer, err)
	}
	filter, err := regexp.Compile(ref.Filter)
	if err != nil {
		return nil, fmt.Errorf("%w: the filter for versions: %w", ErrConfig, err)
	}
	return func(tags []string) (string, bool) {
		best, bestTag := (*semver.Version)(nil), ""
		slices.Sort(tags) // of equal versions the last is taken, every time
		for _, tag := range tags {
			v, ok := ref.version(tag)
			if ok && filter.MatchString(tag) && constraint.Check(v) && (best == nil || !v.LessThan(best)) {
				best, bestTag = v, tag
			}
		}
		return bestTag, best != nil
	}, nil
}

// version reads a tag as a version. It may have a leading v, but needs all three
// parts.
func (ref Ref) version(tag string) (*semver.Version, bool) {
	if ref.Chart {
		tag = strings.ReplaceAll(tag, "_", "+")
	}
	core := tag
	if end := strings.IndexAny(tag, "-+"); end >= 0 {
		core = tag[:end]
	}
	if strings.Count(core, ".") != 2 {
		return nil, false
	}
	v, err := semver.NewVersion(tag)
	return v, err == nil
}

// errEnough ends a listing.
var errEnough = errors.New("enough")

// Tags returns the tags of the repository, in the order of the registry.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	remote, err := r.connect(ctx)
	if err != nil {
		return nil, r.failure(ctx, "connect to", err)
	}
	var tags []string
	err = remote.Tags(ctx, "", func(page []string) error {
		if tags = append(tags, page...); len(tags) > maxTags {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = fmt.Errorf("%w: there are more than %d tags", ErrTooLarge, maxTags)
	}
	return tags, r.failure(ctx, "list the tags of", err)
}
