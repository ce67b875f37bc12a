package bucket

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// Held is a tree that an earlier fetch of the same owner made.
type Held struct {
	Tree *artifacts.Tree
	// Known is what is known of the tree, or nil.
	Known *Known
}

// Known is what a fetch leaves behind for the next one of the same owner: which objects
// the tree was made of.
type Known struct {
	place   string
	digest  string // of the tree
	rules   rules
	objects []mark // sorted
}

// mark stands for a bucket, a key and an entity tag.
type mark [16]byte

func (s *Source) mark(e Entry) mark {
	h := sha256.New()
	for _, part := range []string{s.Place, e.Key, e.ETag} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return mark(h.Sum(nil)[:16])
}

func compareMarks(a, b mark) int { return bytes.Compare(a[:], b[:]) }

// know returns what there is to know of a tree that was made of entries.
func (s *Source) know(t *artifacts.Tree, entries []Entry, r rules) *Known {
	k := &Known{place: s.Place, digest: t.Digest(), rules: r, objects: make([]mark, len(entries))}
	for i, e := range entries {
		k.objects[i] = s.mark(e)
	}
	slices.SortFunc(k.objects, compareMarks)
	return k
}

// holds says whether the tree has the content of an object. Where nothing is known of
// it, as after a restart, the entity tag still tells if it is the MD5 of the content, as
// it is for most objects of most S3 servers.
func (h Held) holds(s *Source, e Entry, name string) bool {
	if h.Known != nil && h.Known.digest == h.Tree.Digest() {
		_, same := slices.BinarySearchFunc(h.Known.objects, s.mark(e), compareMarks)
		return same
	}
	if len(e.ETag) != 2*md5.Size {
		return false
	}
	content, err := h.Tree.ReadFile(name)
	if err != nil || int64(len(content)) != e.Size {
		return false
	}
	sum := md5.Sum(content)
	return hex.EncodeToString(sum[:]) == e.ETag
}
