package preview

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
)

type runtimeObject interface{ runtime.Object }

// pin edits the spec of a source so that it stands for one revision or branch.
func pin(o api.Object, revision, branch string) error {
	switch o := o.(type) {
	case *sourcev1.GitRepository:
		return pinGit(o, revision, branch)
	case *sourcev1.OCIRepository:
		return pinOCI(o, revision, branch)
	}
	return fmt.Errorf("%w: it has one revision only, the newest", ErrRequest)
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// pinGit reads a revision as status tells it (main@sha1:<commit>, sha1:<commit>), a
// commit, a full reference name, or a tag.
func pinGit(o *sourcev1.GitRepository, revision, branch string) error {
	was := o.Spec.Reference
	ref := &sourcev1.GitRepositoryRef{Branch: branch}
	name, commit, hasCommit := cutDigest(revision, "sha1:")
	switch {
	case revision == "":
	case hasCommit && !commitID.MatchString(commit):
		return fmt.Errorf("%w: %q is not a full commit id", ErrRequest, commit)
	case hasCommit:
		ref.Commit = commit
		switch {
		case branch != "":
		case strings.HasPrefix(name, "refs/"):
			ref.Name = name
		case was == nil || was.Tag == "" && was.SemVer == "":
			ref.Branch = name // else it is the name of a tag, which names no history
		}
	case commitID.MatchString(revision):
		ref.Commit = revision
	case branch != "":
		return fmt.Errorf("%w: %q is not a commit of a branch", ErrRequest, revision)
	case strings.HasPrefix(revision, "refs/"):
		ref.Name = revision
	default:
		ref.Tag = revision
	}
	o.Spec.Reference = ref
	return nil
}

// pinOCI reads a revision as status tells it (tag@sha256:<hex>), a digest, or a tag.
func pinOCI(o *sourcev1.OCIRepository, revision, branch string) error {
	if branch != "" {
		return fmt.Errorf("%w: an OCIRepository has no branches", ErrRequest)
	}
	if _, digest, ok := cutDigest(revision, "sha256:"); ok {
		o.Spec.Reference = &sourcev1.OCIRepositoryRef{Digest: "sha256:" + digest}
		return nil
	}
	o.Spec.Reference = &sourcev1.OCIRepositoryRef{Tag: revision}
	return nil
}

// cutDigest cuts name@<algorithm>:<hex>, of which the name may be missing.
func cutDigest(revision, algorithm string) (name, hex string, ok bool) {
	name, hex, ok = strings.Cut(revision, "@"+algorithm)
	if !ok {
		hex, ok = strings.CutPrefix(revision, algorithm)
		name = ""
	}
	return name, hex, ok
}

// digestOf returns the part of a revision that names content.
func digestOf(revision string) string { return revision[strings.LastIndexByte(revision, '@')+1:] }

// suspend has a source restore its recorded artifact and nothing else.
func suspend(o api.Object) {
	switch o := o.(type) {
	case *sourcev1.GitRepository:
		o.Spec.Suspend = true
	case *sourcev1.OCIRepository:
		o.Spec.Suspend = true
	case *sourcev1.Bucket:
		o.Spec.Suspend = true
	}
}

// fresh forgets what a source has fetched, so that it does so again.
func fresh(o api.Object) {
	switch o := o.(type) {
	case *sourcev1.GitRepository:
		o.Spec.Suspend, o.Status = false, sourcev1.GitRepositoryStatus{}
	case *sourcev1.OCIRepository:
		o.Spec.Suspend, o.Status = false, sourcev1.OCIRepositoryStatus{}
	case *sourcev1.Bucket:
		o.Spec.Suspend, o.Status = false, sourcev1.BucketStatus{}
	}
}
