package preview

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
)

func TestPinGit(t *testing.T) {
	id := strings.Repeat("0123456789", 4)
	tag := &sourcev1.GitRepositoryRef{Tag: "v1"}
	for name, c := range map[string]struct {
		was              *sourcev1.GitRepositoryRef
		revision, branch string
		want             sourcev1.GitRepositoryRef
	}{
		"a branch":             {tag, "", "next", sourcev1.GitRepositoryRef{Branch: "next"}},
		"a revision":           {nil, "main@sha1:" + id, "", sourcev1.GitRepositoryRef{Branch: "main", Commit: id}},
		"of a tag":             {tag, "v1@sha1:" + id, "", sourcev1.GitRepositoryRef{Commit: id}},
		"of a name":            {nil, "refs/pull/1/head@sha1:" + id, "", sourcev1.GitRepositoryRef{Name: "refs/pull/1/head", Commit: id}},
		"without a name":       {nil, "sha1:" + id, "", sourcev1.GitRepositoryRef{Commit: id}},
		"a commit":             {nil, id, "", sourcev1.GitRepositoryRef{Commit: id}},
		"a commit of a branch": {nil, id, "next", sourcev1.GitRepositoryRef{Branch: "next", Commit: id}},
		"a tag":                {nil, "v2", "", sourcev1.GitRepositoryRef{Tag: "v2"}},
		"a full name":          {nil, "refs/heads/a", "", sourcev1.GitRepositoryRef{Name: "refs/heads/a"}},
	} {
		o := &sourcev1.GitRepository{}
		o.Spec.Reference = c.was
		if err := pin(o, c.revision, c.branch); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c.want, *o.Spec.Reference); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, bad := range [][2]string{{"main@sha1:123", ""}, {"sha1:", ""}, {"v1", "main"}} {
		if err := pin(&sourcev1.GitRepository{}, bad[0], bad[1]); !errors.Is(err, ErrRequest) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPinOthers(t *testing.T) {
	for revision, want := range map[string]sourcev1.OCIRepositoryRef{
		"latest@sha256:abc": {Digest: "sha256:abc"}, "sha256:abc": {Digest: "sha256:abc"}, "1.2.3": {Tag: "1.2.3"},
	} {
		o := &sourcev1.OCIRepository{}
		if err := pin(o, revision, ""); err != nil || *o.Spec.Reference != want {
			t.Errorf("%s: %v, error %v", revision, o.Spec.Reference, err)
		}
	}
	if err := pin(&sourcev1.OCIRepository{}, "", "main"); !errors.Is(err, ErrRequest) {
		t.Errorf("a branch of an OCIRepository: %v", err)
	}
	if err := pin(&sourcev1.Bucket{}, "x", ""); !errors.Is(err, ErrRequest) {
		t.Errorf("a revision of a Bucket: %v", err)
	}
}
