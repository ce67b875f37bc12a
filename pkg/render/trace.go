package render

import (
	"cmp"
	"io/fs"
	"slices"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// Tree is what a build reads: an artifact, or a part of one.
type Tree interface {
	fs.FS
	// FileDigest and DirDigest tell content and listing apart from others
	// without reading them, and whether there is such a file or directory.
	FileDigest(path string) (artifacts.Digest, bool)
	DirDigest(path string) (artifacts.Digest, bool)
}

// Trace is what a build has looked at in its tree: contents, listings, and what
// there is and is not under a name. The zero value is ready to use. It is not safe
// for concurrent use.
type Trace struct {
	looks map[look]artifacts.Digest
	// Volatile is set by a build that also depended on something outside the
	// tree, such as a remote base: looking at the tree cannot tell whether it
	// would be the same again.
	Volatile bool
}

type look struct {
	path   string
	aspect aspect
}

// aspect is what a build wanted to know of a path.
type aspect uint8

const (
	content aspect = iota // of a file
	listing               // of a directory
	kind                  // whether it is a file, a directory, or nothing
)

// Content notes that the content of a file was asked for, found or not.
func (t *Trace) Content(tree Tree, path string) { t.note(tree, look{path, content}) }

// Listing notes that a directory was listed, found or not.
func (t *Trace) Listing(tree Tree, path string) { t.note(tree, look{path, listing}) }

// Kind notes that somebody asked what path is.
func (t *Trace) Kind(tree Tree, path string) { t.note(tree, look{path, kind}) }

func (t *Trace) note(tree Tree, l look) {
	if t.looks == nil {
		t.looks = make(map[look]artifacts.Digest)
	}
	if _, known := t.looks[l]; !known {
		t.looks[l] = l.at(tree)
	}
}

// at returns what somebody sees who looks at tree. Nothing is the zero digest.
func (l look) at(tree Tree) artifacts.Digest {
	var seen artifacts.Digest
	switch l.aspect {
	case content:
		seen, _ = tree.FileDigest(l.path)
	case listing:
		seen, _ = tree.DirDigest(l.path)
	case kind:
		if _, ok := tree.FileDigest(l.path); ok {
			seen[0] = 'f'
		} else if _, ok := tree.DirDigest(l.path); ok {
			seen[0] = 'd'
		}
	}
	return seen
}

// record is a trace that rests.
type record []sight

type sight struct {
	look
	seen artifacts.Digest
}

// record returns what was noted in the order of paths.
func (t *Trace) record() record {
	r := make(record, 0, len(t.looks))
	for l, seen := range t.looks {
		r = append(r, sight{l, seen})
	}
	slices.SortFunc(r, func(a, b sight) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.aspect, b.aspect))
	})
	return r
}

// holds says whether a build that looked at tree would see the same.
func (r record) holds(tree Tree) bool {
	for _, s := range r {
		if s.at(tree) != s.seen {
			return false
		}
	}
	return true
}

// cost is roughly what a record takes of memory.
func (r record) cost() int64 {
	n := int64(0)
	for _, s := range r {
		n += int64(len(s.path)) + 64
	}
	return n
}
