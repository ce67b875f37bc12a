package artifacts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Verbatim returns a tree of one file that is the artifact as it was received: the
// digest and the size are those of its bytes. The caller must not change them any
// more.
func (s *Store) Verbatim(name string, content []byte) (*Tree, error) {
	b := s.NewBuilder(Limits{})
	if err := b.admit(name); err != nil {
		return nil, err
	}
	if int64(len(content)) > b.limits.Bytes {
		return nil, fmt.Errorf("%w: the file has more than %d bytes", ErrLimit, b.limits.Bytes)
	}
	sum := Digest(sha256.Sum256(content))
	one := s.blob(sum)
	if one == nil {
		// What is copied as it is was compressed by somebody already.
		one = &blob{sum: sum, size: len(content), data: content, final: true}
	}
	t := &Tree{files: []file{{path: name, blob: one}}}
	t.asVerbatim(sum.String())
	return t, nil
}

// String returns sha256:<hex>.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// asVerbatim makes the tree a verbatim one if its only file has the digest.
func (t *Tree) asVerbatim(digest string) {
	if len(t.files) == 1 && t.files[0].blob.sum.String() == digest {
		t.digest, t.size, t.verbatim = digest, int64(t.files[0].blob.size), true
	}
}

// unpackedFactor is how many times the budget of the store an archive may unpack to.
const unpackedFactor = 4

// Unpacked returns the files of an artifact: those in the archive if t is one as it was
// received, t itself if it is not. [ErrArchive], [ErrBadPath] and [ErrLimit] say that it
// is no compressed archive that can be taken in. Symbolic links are left out. What is
// unpacked is shared by all who use it at the same time.
func (s *Store) Unpacked(ctx context.Context, t *Tree) (*Tree, error) {
	if !t.verbatim {
		return t, nil
	}
	return s.Share(ctx, "unpacked "+t.digest, func(ctx context.Context) (*Tree, error) {
		content, err := t.files[0].blob.content()
		if err != nil {
			return nil, err
		}
		b := s.NewBuilder(Limits{Bytes: unpackedFactor * s.budget})
		if err := b.AddTarGz(ctx, bytes.NewReader(content), TarOptions{}); err != nil {
			return nil, err
		}
		unpacked, _, err := b.Build()
		return unpacked, err
	})
}
