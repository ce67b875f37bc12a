package artifacts

import (
	"cmp"
	"container/list"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"
)

// Owner names the object whose artifact it is.
type Owner struct{ Kind, Namespace, Name string }

// String returns kind/namespace/name with the kind in lower case, which is how
// status.artifact.path begins.
func (o Owner) String() string {
	return strings.ToLower(o.Kind) + "/" + o.Namespace + "/" + o.Name
}

// Artifact is what an owner stands for at one revision.
type Artifact struct {
	Owner    Owner             `json:"owner"`
	Revision string            `json:"revision"`
	Digest   string            `json:"digest"`
	Size     int64             `json:"size"`
	Updated  time.Time         `json:"updated"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// File is the last part of the path under which it is offered; empty if nobody
	// said.
	File string `json:"file,omitempty"`
	// Content is the digest of the tree where Digest and Size are those of the
	// archive that somebody else made of it.
	Content string `json:"content,omitempty"`
}

// Options are what a store is made of.
type Options struct {
	// Budget is how many bytes of memory the trees may take; 32 MiB if zero.
	Budget int64
	// CacheDir is where the last known good artifacts are kept; empty keeps
	// none. CacheSize bounds it; 256 MiB if zero.
	CacheDir  string
	CacheSize int64
	// Report is told of what went wrong with the directory, which never fails
	// anything else. It may be nil.
	Report func(error)
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// Store holds the newest tree of each owner.
type Store struct {
	budget int64
	now    func() time.Time
	cache  *cache // nil without a directory

	restoring sync.Mutex // held while a tree is read from the directory

	mu     sync.Mutex // guards the fields below and the refs of blobs
	blobs  map[Digest]*blob
	owners map[Owner]*held
	recent *list.List // of *held, most recently used first
	used   int64
	stats  Stats
	making map[string]*making
	shared map[string]weak.Pointer[Tree]
}

// held is one stored artifact.
type held struct {
	artifact Artifact
	tree     *Tree
	pins     int  // open handles
	stored   bool // still the owner's newest, or merely pinned
	element  *list.Element
}

// Stats are counters and gauges for metrics.
type Stats struct {
	Artifacts, Blobs  int
	Used, Budget      int64
	Evictions, Misses uint64
	CacheHits         uint64
}

// New returns an empty store. With a directory, what it holds is known at once
// and read when it is asked for. The error is that of a directory which cannot be used;
// the store works without it.
func New(o Options) (*Store, error) {
	s := &Store{
		budget: cmp.Or(o.Budget, 32<<20),
		now:    o.Now,
		blobs:  make(map[Digest]*blob), owners: make(map[Owner]*held), recent: list.New(),
		making: make(map[string]*making), shared: make(map[string]weak.Pointer[Tree]),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if o.CacheDir == "" {
		return s, nil
	}
	c, err := openCache(o.CacheDir, cmp.Or(o.CacheSize, 256<<20), o.Report)
	s.cache = c
	return s, err
}

// Put makes t the newest artifact of owner. An artifact with the digest that
// the owner has already keeps its time. [ErrTooLarge] says that t can never fit.
func (s *Store) Put(owner Owner, revision string, t *Tree, metadata map[string]string) (Artifact, error) {
	return s.PutAs(Artifact{Owner: owner, Revision: revision, Metadata: metadata}, t)
}

// PutAs is [Store.Put] for what a says. Without a digest it is that of the tree. With
// one, it is that of the archive that somebody else made of it, which the caller has
// verified.
func (s *Store) PutAs(a Artifact, t *Tree) (Artifact, error) {
	if a.Digest == "" {
		a.Digest, a.Size = t.digest, t.size
	} else {
		a.Content = t.digest
	}
	return s.put(a, t)
}

func (s *Store) put(a Artifact, t *Tree) (Artifact, error) {
	t.pack()
	owner := a.Owner
	a.Updated, a.Metadata = s.now(), maps.Clone(a.Metadata)
	if need := treeCost(t); need > s.budget {
		return a, fmt.Errorf("%w: it takes %d bytes of %d", ErrTooLarge, need, s.budget)
	}
	s.mu.Lock()
	if old, ok := s.owners[owner]; ok {
		if old.artifact.Digest == a.Digest {
			a.Updated = old.artifact.Updated
		}
		s.drop(old)
	}
	s.hold(a, t)
	s.evict()
	s.mu.Unlock()
	if s.cache != nil {
		s.cache.write(a, t)
	}
	return a, nil
}

// Newest returns the artifact of owner, in memory or on disk.
func (s *Store) Newest(owner Owner) (Artifact, bool) {
	s.mu.Lock()
	h, ok := s.owners[owner]
	s.mu.Unlock()
	if ok {
		return h.artifact, true
	}
	if s.cache == nil {
		return Artifact{}, false
	}
	return s.cache.newest(owner)
}

// Has says whether the newest tree of owner has the given digest and is in
// memory.
func (s *Store) Has(owner Owner, digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.owners[owner]
	return ok && h.artifact.Digest == digest
}

// Open returns the newest tree of owner if it has the given digest; an empty
// digest accepts any. The tree stays in memory until release is called.
// [ErrNotFound] means that it is not in memory, nor on disk.
func (s *Store) Open(owner Owner, digest string) (t *Tree, release func(), err error) {
	if h := s.pin(owner, digest); h != nil {
		return h.tree, s.releaser(h), nil
	}
	if s.cache != nil {
		if t, release, ok := s.restore(owner, digest); ok {
			return t, release, nil
		}
	}
	s.mu.Lock()
	s.stats.Misses++
	s.mu.Unlock()
	return nil, nil, fmt.Errorf("%s %s: %w", owner, digest, ErrNotFound)
}

// restore reads a tree from the directory, one at a time: after a start all consumers of a
// source ask for it at once, and each would have a tree of its own in memory.
func (s *Store) restore(owner Owner, digest string) (t *Tree, release func(), ok bool) {
	s.restoring.Lock()
	defer s.restoring.Unlock()
	if h := s.pin(owner, digest); h != nil {
		return h.tree, s.releaser(h), true
	}
	a, t, ok := s.cache.read(s, owner, digest)
	if !ok {
		return nil, nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.CacheHits++
	if _, newer := s.owners[owner]; !newer {
		s.hold(a, t)
		s.evict()
	}
	return t, func() {}, true
}

func (s *Store) pin(owner Owner, digest string) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.owners[owner]
	if !ok || digest != "" && h.artifact.Digest != digest {
		return nil
	}
	h.pins++
	s.recent.MoveToFront(h.element)
	return h
}

func (s *Store) releaser(h *held) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			h.pins--
			if h.pins == 0 && !h.stored {
				s.free(h)
			}
			s.evict()
		})
	}
}

// Forget drops the artifact of owner, in memory and on disk.
func (s *Store) Forget(owner Owner) {
	s.mu.Lock()
	if h, ok := s.owners[owner]; ok {
		s.drop(h)
	}
	s.mu.Unlock()
	if s.cache != nil {
		s.cache.forget(owner)
	}
}

// Close waits until what is to be on disk is there.
func (s *Store) Close() {
	if s.cache != nil {
		s.cache.close()
	}
}

// Stats returns the counters as they are now.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Artifacts, st.Blobs, st.Used, st.Budget = len(s.owners), len(s.blobs), s.used, s.budget
	return st
}

// blob returns the stored blob of the given sum, or nil.
func (s *Store) blob(sum Digest) *blob {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blobs[sum]
}

// hold takes a tree in, which owners may share. mu is held.
func (s *Store) hold(a Artifact, t *Tree) {
	t = s.known(t)
	h := &held{artifact: a, tree: t, stored: true}
	h.element = s.recent.PushFront(h)
	s.owners[a.Owner] = h
	if t.holders++; t.holders > 1 {
		return
	}
	s.used += t.cost()
	for _, f := range t.files {
		if _, ok := s.blobs[f.blob.sum]; !ok {
			s.blobs[f.blob.sum] = f.blob
			s.used += f.blob.cost()
		}
		f.blob.refs++
	}
}

// known returns a tree of the same files whose blobs are the stored ones. It is a
// copy if that makes a difference, since others may be reading t. mu is held.
func (s *Store) known(t *Tree) *Tree {
	if t.holders > 0 {
		return t
	}
	own := t
	for i, f := range t.files {
		stored, ok := s.blobs[f.blob.sum]
		if !ok || stored == f.blob {
			continue
		}
		if own == t {
			own = &Tree{files: slices.Clone(t.files), digest: t.digest, size: t.size, verbatim: t.verbatim}
		}
		own.files[i].blob = stored
	}
	return own
}

// drop lets go of a tree, at once or when nobody has it open. mu is held.
func (s *Store) drop(h *held) {
	delete(s.owners, h.artifact.Owner)
	s.recent.Remove(h.element)
	h.stored = false
	if h.pins == 0 {
		s.free(h)
	}
}

// free gives the memory of a dropped tree back. mu is held.
func (s *Store) free(h *held) {
	if h.tree.holders--; h.tree.holders > 0 {
		return
	}
	s.used -= h.tree.cost()
	for _, f := range h.tree.files {
		if f.blob.refs--; f.blob.refs == 0 {
			delete(s.blobs, f.blob.sum)
			s.used -= f.blob.cost()
		}
	}
}

// evict drops what was used least recently and is not open, until the rest
// fits. mu is held.
func (s *Store) evict() {
	for e := s.recent.Back(); e != nil && s.used > s.budget; {
		h := e.Value.(*held)
		e = e.Prev()
		if h.pins == 0 && h.element != s.recent.Front() {
			s.drop(h)
			s.stats.Evictions++
		}
	}
}

// treeCost is what a tree takes of the budget alone.
func treeCost(t *Tree) int64 {
	n := t.cost()
	seen := make(map[Digest]bool, len(t.files))
	for _, f := range t.files {
		if !seen[f.blob.sum] {
			seen[f.blob.sum] = true
			n += f.blob.cost()
		}
	}
	return n
}
