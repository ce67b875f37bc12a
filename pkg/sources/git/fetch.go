package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// Commit is a commit that was fetched.
type Commit struct {
	Head
	commit *object.Commit
	tag    *object.Tag // nil unless the head is an annotated tag
	remote *Remote
	store  *pack
}

// Fetch gets the commit of a head. A session fetches once.
func (s *Session) Fetch(ctx context.Context, h Head) (*Commit, error) {
	store, err := s.receive(ctx, s.request(h))
	if err != nil {
		return nil, s.remote.explain("unable to clone", errors.Join(err, ctx.Err()))
	}
	h, err = newest(store, h)
	if err != nil {
		return nil, s.remote.explain("unable to clone", err)
	}
	c := &Commit{Head: h, remote: s.remote, store: store}
	if c.commit, err = object.GetCommit(store, h.Commit); err != nil {
		return nil, fmt.Errorf("unable to clone '%s': %w: commit %s is not in the history of %s",
			s.remote.safeURL(), ErrRefNotFound, h.Commit, describe(h))
	}
	if !h.Tag.IsZero() {
		if c.tag, err = object.GetTag(store, h.Tag); err != nil {
			return nil, s.remote.explain("unable to read the tag of", err)
		}
	}
	return c, nil
}

func describe(h Head) string {
	if h.Ref == "" {
		return "any branch"
	}
	return h.Ref.String()
}

// request says what to send: one commit where the server can, else the history
// in which it must be found.
func (s *Session) request(h Head) *packp.UploadPackRequest {
	has := s.refs.Capabilities
	req := packp.NewUploadPackRequestFromCapabilities(has)
	req.Capabilities.Delete(capability.ThinPack)
	set := func(c capability.Capability) bool {
		return has.Supports(c) && req.Capabilities.Set(c) == nil
	}
	set(capability.NoProgress)
	exact := !h.history || h.Ref == "" && s.serves(h.Commit)
	if exact {
		req.Wants = wanted(h)
		if set(capability.Shallow) {
			req.Depth = packp.DepthCommits(1)
		}
		return req
	}
	if h.Ref != "" {
		req.Wants = []plumbing.Hash{s.refs.References[h.Ref.String()]}
		return req
	}
	for name, hash := range s.refs.References {
		if strings.HasPrefix(name, "refs/heads/") && !slices.Contains(req.Wants, hash) {
			req.Wants = append(req.Wants, hash)
		}
	}
	return req
}

// serves says whether the remote sends a commit by its id.
func (s *Session) serves(commit plumbing.Hash) bool {
	for _, hash := range s.refs.References {
		if hash == commit {
			return true
		}
	}
	return s.refs.Capabilities.Supports(capability.AllowReachableSHA1InWant) ||
		s.refs.Capabilities.Supports("allow-any-sha1-in-want")
}

// wanted returns the objects of a head and its rivals: the tag where there is
// one, which brings the commit along.
func wanted(h Head) []plumbing.Hash {
	var hashes []plumbing.Hash
	for _, one := range append([]Head{h}, h.rivals...) {
		hash := one.Commit
		if !one.Tag.IsZero() {
			hash = one.Tag
		}
		hashes = append(hashes, hash)
	}
	return hashes
}

// receive asks for a packfile and opens it. Its objects may have four times as many
// bytes as the files: a history has more than one version of a file.
func (s *Session) receive(ctx context.Context, req *packp.UploadPackRequest) (p *pack, err error) {
	stop := context.AfterFunc(ctx, func() { _ = s.upload.Close() })
	defer stop()
	response, err := s.upload.UploadPack(ctx, req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Close()) }()
	r := receiver{limit: s.remote.maxBytes(), memory: s.remote.Memory}
	all, err := r.readAll(ctx, demultiplex(req.Capabilities, response))
	if err != nil {
		return nil, err
	}
	s.remote.countSSH(all.size)
	return openPack(ctx, r, all, 4*s.remote.maxBytes())
}

// demultiplex takes the pack out of the bands it shares with messages.
func demultiplex(used *capability.List, r io.Reader) io.Reader {
	switch {
	case used.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case used.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// newest returns the head with the newest commit among a head and its rivals.
func newest(store *pack, h Head) (Head, error) {
	if h.Final() {
		return h, nil
	}
	best, bestCommit := h, (*object.Commit)(nil)
	for _, one := range append([]Head{h}, h.rivals...) {
		c, err := object.GetCommit(store, one.Commit)
		if err != nil {
			return h, err
		}
		if bestCommit == nil || c.Committer.When.After(bestCommit.Committer.When) {
			best, bestCommit = one, c
		}
	}
	best.rivals = nil
	return best, nil
}
