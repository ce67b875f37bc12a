package render

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Owner names the object whose build it is.
type Owner struct{ Namespace, Name string }

// Inputs is a digest of everything beside the tree that decides what a build
// yields.
type Inputs [32]byte

// With returns the digest of what i and more stand for.
func (i Inputs) With(more ...Inputs) Inputs {
	h := sha256.New()
	h.Write(i[:])
	for _, m := range more {
		h.Write(m[:])
	}
	return Inputs(h.Sum(nil))
}

// Job is a build that somebody wants the output of.
type Job struct {
	Owner  Owner
	Tree   Tree
	Inputs Inputs
	// Revision tells volatile builds of one tree from those of another.
	Revision string
	// Build yields documents, objects in compact JSON, and notes in the trace what
	// it looks at.
	Build func(context.Context, *Trace) ([][]byte, error)
	// Edits change every document, one after the other.
	Edits []Edit
}

// volatileFor is how long a build that depends on more than its tree may be had
// again. It covers the runs of one reconcile, which follow each other at once, and
// no interval.
const volatileFor = 30 * time.Second

// Cache remembers the last build of each owner: what it looked at, and what it
// yielded, compressed. Over its budget it lets go of what was used least recently;
// that is built again when it is needed. It is safe for concurrent use.
type Cache struct {
	budget int64
	now    func() time.Time
	packer packer

	mu     sync.Mutex // guards the fields below
	builds map[Owner]*build
	recent *list.List // of *build, most recently used first
	used   int64
	stats  Stats
}

// build is one build that is remembered. Its fields never change.
type build struct {
	owner    Owner
	inputs   Inputs
	record   record
	volatile bool
	revision string
	at       time.Time
	digest   string
	packed   []byte
	size     int // of what is packed
	element  *list.Element
}

// Stats are counters and gauges for metrics.
type Stats struct {
	Builds       int // remembered
	Used, Budget int64
	Hits, Misses uint64
}

// NewCache returns an empty cache of the given budget in bytes, 16 MiB if zero. now
// is the clock; nil is the real one.
func NewCache(budget int64, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	return &Cache{
		budget: cmp.Or(budget, 16<<20), now: now,
		builds: make(map[Owner]*build), recent: list.New(),
	}
}

// Render returns the output of j. It builds only if the last build of the owner had
// other inputs, or would see something else in this tree. Errors of the build are
// returned as they are; what failed is not remembered.
func (c *Cache) Render(ctx context.Context, j Job) (Output, error) {
	if b := c.find(j); b != nil {
		if out, err := c.recall(b); err == nil {
			c.touch(b)
			return out, nil
		}
	}
	c.mu.Lock()
	c.stats.Misses++
	c.mu.Unlock()
	var trace Trace
	documents, err := j.run(ctx, &trace)
	if err != nil {
		return Output{}, err
	}
	out, err := parse(documents)
	if err != nil {
		return Output{}, err
	}
	c.remember(j, &trace, documents, out.Digest)
	return out, nil
}

// Forget drops what is remembered of owner.
func (c *Cache) Forget(owner Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.builds[owner]; ok {
		c.drop(b)
	}
}

// Stats returns the counters as they are now.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Builds, s.Used, s.Budget = len(c.builds), c.used, c.budget
	return s
}

// run builds and edits.
func (j Job) run(ctx context.Context, trace *Trace) ([][]byte, error) {
	documents, err := j.Build(ctx, trace)
	if err != nil {
		return nil, err
	}
	for i := range documents {
		for _, edit := range j.Edits {
			if documents[i], err = edit(ctx, documents[i]); err != nil {
				return nil, err
			}
		}
	}
	return documents, ctx.Err()
}

// find returns the remembered build that j would repeat, or nil.
func (c *Cache) find(j Job) *build {
	c.mu.Lock()
	b := c.builds[j.Owner]
	c.mu.Unlock()
	switch {
	case b == nil || b.inputs != j.Inputs || !b.record.holds(j.Tree):
		return nil
	case b.volatile && (b.revision != j.Revision || c.now().Sub(b.at) > volatileFor):
		return nil
	}
	return b
}

// recall decodes a remembered build.
func (c *Cache) recall(b *build) (Output, error) {
	text, err := c.packer.unpack(b.packed, b.size)
	if err != nil {
		return Output{}, err
	}
	out := Output{Digest: b.digest, Cached: true}
	for _, document := range split(text) {
		obj, err := decode(document)
		if err != nil {
			return Output{}, err
		}
		if wanted(obj) {
			out.Objects = append(out.Objects, obj)
		}
	}
	return out, nil
}

func (c *Cache) touch(b *build) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Hits++
	if c.builds[b.owner] == b {
		c.recent.MoveToFront(b.element)
	}
}

// remember keeps a build if it fits. What cannot be packed is merely not kept.
func (c *Cache) remember(j Job, t *Trace, documents [][]byte, digest string) {
	text, err := join(documents)
	if err != nil {
		c.Forget(j.Owner)
		return
	}
	packed, err := c.packer.pack(text)
	if err != nil {
		c.Forget(j.Owner)
		return
	}
	b := &build{
		owner: j.Owner, inputs: j.Inputs, record: t.record(), volatile: t.Volatile, revision: j.Revision,
		at: c.now(), digest: digest, packed: packed, size: len(text),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.builds[j.Owner]; ok {
		c.drop(old)
	}
	if b.cost() > c.budget {
		return
	}
	c.builds[j.Owner] = b
	b.element = c.recent.PushFront(b)
	for c.used += b.cost(); c.used > c.budget; {
		c.drop(c.recent.Back().Value.(*build))
	}
}

// drop lets go of a build. mu is held.
func (c *Cache) drop(b *build) {
	delete(c.builds, b.owner)
	c.recent.Remove(b.element)
	c.used -= b.cost()
}

// cost is what a build takes of the budget.
func (b *build) cost() int64 { return int64(len(b.packed)) + b.record.cost() + 256 }
