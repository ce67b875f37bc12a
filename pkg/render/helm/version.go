package helm

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// shownDigest is how much of a digest the version of a chart shows.
const shownDigest = 12

// MutateVersion returns the version that a chart of an OCI artifact has in a release,
// and the digest that status tells of it. The version gets the digest as its build
// metadata, unless track is false: a tag that moved is a new version then. Revision is
// that of the artifact; a tag in it that is a version must be the one of the chart.
// Errors wrap [ErrVersion].
func MutateVersion(version, revision string, track bool) (mutated, digest string, err error) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return "", "", &told{ErrVersion, "invalid chart version " + version}
	}
	digest = revision
	if tag, rest, tagged := versionTag(revision); tagged {
		if !tag.Equal(v) || strings.Count(revision, "@") != 1 {
			name, _, _ := strings.Cut(revision, "@")
			return "", "", &told{ErrVersion, fmt.Sprintf("artifact revision %s does not match chart version %s", name, version)}
		}
		digest = rest
	}
	_, hash, ok := strings.Cut(digest, ":")
	if !ok || strings.Contains(hash, ":") || len(hash) < shownDigest {
		return "", "", &told{ErrVersion, "invalid artifact revision " + digest}
	}
	set, err := v.SetMetadata(hash[:shownDigest])
	switch {
	case err != nil:
		return "", "", &told{ErrVersion, "invalid artifact revision " + digest}
	case !track:
		return version, digest, nil
	}
	return set.String(), digest, nil
}

// versionTag returns the tag of a revision if it is a version, and what follows it. A
// plus cannot be in a tag, so an underscore stands for it.
func versionTag(revision string) (tag *semver.Version, rest string, ok bool) {
	name, rest, qualified := strings.Cut(revision, "@")
	if qualified {
		name = strings.ReplaceAll(name, "_", "+")
	}
	tag, err := semver.NewVersion(name)
	return tag, rest, err == nil
}
