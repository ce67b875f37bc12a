package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"
)

var (
	// ErrMoved says that the branch is not where the change was made on.
	ErrMoved = errors.New("the branch has moved")
	// ErrRefused says that the remote took the credentials and not the commit.
	ErrRefused = errors.New("the remote refuses the commit")
)

// Change is a commit to be.
type Change struct {
	// Files are the new contents by path; nil deletes the file. Nothing else of the
	// tree is touched.
	Files map[string][]byte
	// Message is that of the commit, Name and Email are its author's.
	Message, Name, Email string
	When                 time.Time
	// Sign signs the commit; nil leaves it without a signature.
	Sign Signer
}

// Push makes change a commit on top of base and moves the branch there. It is never
// forced: the remote moves the branch only if it still is at base, else the error is an
// [ErrMoved] and nothing has happened. Without a base the commit is the first one of
// the branch, which must not be there. What was fetched of base suffices, so no
// history is needed. It returns the id of the commit.
func (r *Remote) Push(ctx context.Context, branch string, base *Commit, change Change) (string, error) {
	made, err := change.commit(base)
	if err != nil {
		return "", err
	}
	endpoint, err := transport.NewEndpoint(r.URL)
	if err != nil {
		return "", fmt.Errorf("%w: the URL does not parse", ErrConfig)
	}
	client, auth, release, err := r.client(ctx, endpoint)
	if err != nil {
		return "", err
	}
	defer release()
	session, err := client.NewReceivePackSession(endpoint, auth)
	if err != nil {
		return "", r.explain("unable to connect to", err)
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	refs, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return "", r.explain("unable to push to", errors.Join(err, ctx.Err()))
	}
	name := plumbing.NewBranchReferenceName(branch)
	old := lease(base, refs, name)
	if refs.References[name.String()] != old {
		return "", fmt.Errorf("push to '%s': %w", r.safeURL(), ErrMoved)
	}
	return made.id.String(), r.send(ctx, session, refs, packp.Command{Name: name, Old: old, New: made.id}, made)
}

// lease returns where the branch has to be for the commit to be put on top.
func lease(base *Commit, refs *packp.AdvRefs, name plumbing.ReferenceName) plumbing.Hash {
	_, there := refs.References[name.String()]
	if base == nil || !there && base.Ref != name {
		return plumbing.ZeroHash // the first of the branch
	}
	return base.commit.Hash
}

// send asks the remote to move a branch, and gives it what it needs for that.
func (r *Remote) send(ctx context.Context, session transport.ReceivePackSession, refs *packp.AdvRefs, move packp.Command, m *made) error {
	req := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	var said bytes.Buffer
	if refs.Capabilities.Supports(capability.Sideband64k) && req.Capabilities.Set(capability.Sideband64k) == nil {
		req.Progress = &said
	}
	req.Commands = []*packp.Command{&move}
	content, err := m.packfile()
	if err != nil {
		return err
	}
	req.Packfile = io.NopCloser(content)
	report, err := session.ReceivePack(ctx, req)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return r.explain("unable to push to", errors.Join(err, ctx.Err()))
	case report == nil: // it never came to the commit
		return r.explain("unable to push to", err)
	case r.moved(ctx, move):
		return fmt.Errorf("push to '%s': %w", r.safeURL(), ErrMoved)
	}
	text := err.Error()
	if words := strings.Join(strings.Fields(said.String()), " "); words != "" {
		text += ": " + words
	}
	return fmt.Errorf("push to the branch %s of '%s': %w: %s", move.Name.Short(), r.safeURL(), ErrRefused, r.redact(text))
}

// moved says whether a branch is no longer where a refused move was to begin.
func (r *Remote) moved(ctx context.Context, move packp.Command) bool {
	s, err := r.Connect(ctx)
	if errors.Is(err, ErrEmpty) {
		return !move.Old.IsZero()
	}
	if err != nil {
		return false
	}
	defer s.Close()
	return s.refs.References[move.Name.String()] != move.Old
}

// made is a commit and the objects that come with it.
type made struct {
	id    plumbing.Hash
	store *memory.Storage
	all   []plumbing.Hash
}

// packfile returns the objects as they are sent.
func (m *made) packfile() (*bytes.Buffer, error) {
	var out bytes.Buffer
	if _, err := packfile.NewEncoder(&out, m.store, false).Encode(m.all, 0); err != nil {
		return nil, fmt.Errorf("pack the commit: %w", err)
	}
	return &out, nil
}

// encoder is an object that knows its form in Git.
type encoder interface {
	Encode(plumbing.EncodedObject) error
}

// add adds an object.
func (m *made) add(e encoder) (plumbing.Hash, error) {
	obj := m.store.NewEncodedObject()
	if err := e.Encode(obj); err != nil {
		return plumbing.ZeroHash, err
	}
	return m.put(obj)
}

func (m *made) put(obj plumbing.EncodedObject) (plumbing.Hash, error) {
	hash := obj.Hash()
	if m.store.HasEncodedObject(hash) == nil {
		return hash, nil
	}
	if _, err := m.store.SetEncodedObject(obj); err != nil {
		return hash, err
	}
	m.all = append(m.all, hash)
	return hash, nil
}

// commit makes the objects of a change on top of base.
func (c Change) commit(base *Commit) (*made, error) {
	m := &made{store: memory.NewStorage()}
	root, parents := &object.Tree{}, []plumbing.Hash(nil)
	var from *pack
	if base != nil {
		tree, err := base.commit.Tree()
		if err != nil {
			return nil, fmt.Errorf("read the files of the branch: %w", err)
		}
		root, parents, from = tree, []plumbing.Hash{base.commit.Hash}, base.store
	}
	tree, err := m.tree(root, from, c.Files)
	if err != nil {
		return nil, err
	}
	who := object.Signature{Name: c.Name, Email: c.Email, When: c.When}
	commit := &object.Commit{
		Author: who, Committer: who, Message: strings.TrimRight(c.Message, "\n") + "\n",
		TreeHash: tree, ParentHashes: parents,
	}
	if err = c.Sign.sign(commit); err == nil {
		m.id, err = m.add(commit)
	}
	if err != nil {
		return nil, fmt.Errorf("make the commit: %w", err)
	}
	return m, nil
}
