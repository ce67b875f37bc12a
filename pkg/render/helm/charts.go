package helm

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// Identity is what a chart says that it is.
type Identity struct{ Name, Version, AppVersion string }

// Chart is a chart with its subcharts. It never changes and may be used from many
// goroutines.
type Chart struct {
	stored *Stored
	id     Identity
	cost   int64
}

// Identity returns the name and versions of the chart.
func (c *Chart) Identity() Identity { return c.id }

// ChartOptions are those of [Charts]. A zero field means its default.
type ChartOptions struct {
	// Budget is how many bytes of charts stay loaded without being in use; 32 MiB.
	Budget int64
	// Idle is how long a chart stays that nobody asks for; 2 minutes.
	Idle time.Duration
	// Limits bound one chart.
	Limits helm.Limits
}

// Charts loads charts and has each only once. It is safe for concurrent use.
type Charts struct {
	options ChartOptions

	mu         sync.Mutex // guards the fields below
	loaded     map[string]*entry
	recent     *list.List // of *entry with a chart, most recently used first
	used       int64
	identities map[string]Identity
	timer      *time.Timer // nil while nothing is loaded
	stats      ChartStats
}

// entry is a chart that is loaded, or being loaded.
type entry struct {
	digest  string
	done    chan struct{} // closed when the fields below are set
	chart   *Chart
	err     error
	at      time.Time // of the last use
	element *list.Element
}

// ChartStats are counters and gauges for metrics.
type ChartStats struct {
	// Charts are loaded and Used are the bytes that they take.
	Charts       int
	Used, Budget int64
	// Hits found a chart loaded, Loads loaded it.
	Hits, Loads uint64
}

// patience is how long a chart is waited for that somebody else is loading. It may be that
// they wait for the memory of whoever waits for them: then there are two for a moment.
const patience = 10 * time.Second

// mostIdentities bounds the identities that are remembered.
const mostIdentities = 4096

// NewCharts returns an empty one.
func NewCharts(o ChartOptions) *Charts {
	o.Budget, o.Idle = cmp.Or(o.Budget, 32<<20), cmp.Or(o.Idle, 2*time.Minute)
	return &Charts{options: o, loaded: make(map[string]*entry), recent: list.New(), identities: make(map[string]Identity)}
}

// Load returns the chart of an artifact. Digest is that of the artifact, by which the
// chart is shared; tree is read only if it has to be. A tree is one packaged chart, or
// the files of a chart at its root or in the only folder there. Memory is charged with
// what is loaded; nil is without bounds. Errors wrap [ErrChart], unless they are those of
// reading the tree.
func (c *Charts) Load(ctx context.Context, digest string, tree fs.FS, memory *artifacts.Share) (*Chart, error) {
	for {
		e, mine := c.claim(digest)
		if mine {
			c.fill(ctx, e, tree, memory)
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(patience):
			return load(ctx, tree, c.limits(memory))
		}
		switch {
		case e.err == nil:
			return e.chart, nil
		case mine || !(errors.Is(e.err, context.Canceled) || errors.Is(e.err, context.DeadlineExceeded)):
			return nil, e.err
		}
		// Whoever was loading it was stopped: then it is our turn.
	}
}

// Identity returns what the chart of an artifact says that it is. The answer for a
// digest is remembered, long after the chart itself is not.
func (c *Charts) Identity(ctx context.Context, digest string, tree fs.FS, memory *artifacts.Share) (Identity, error) {
	c.mu.Lock()
	id, known := c.identities[digest]
	c.mu.Unlock()
	if known {
		return id, nil
	}
	chart, err := c.Load(ctx, digest, tree, memory)
	if err != nil {
		return Identity{}, err
	}
	return chart.id, nil
}

// Stats returns the counters as they are now.
func (c *Charts) Stats() ChartStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Charts, s.Used, s.Budget = c.recent.Len(), c.used, c.options.Budget
	return s
}

// claim returns the entry of a digest, and whether it is new and so up to the caller.
func (c *Charts) claim(digest string) (e *entry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.loaded[digest]; ok {
		if e.element != nil {
			c.stats.Hits++
			e.at = time.Now()
			c.recent.MoveToFront(e.element)
		}
		return e, false
	}
	e = &entry{digest: digest, done: make(chan struct{})}
	c.loaded[digest] = e
	return e, true
}

// limits returns the limits of one load.
func (c *Charts) limits(memory *artifacts.Share) helm.Limits {
	l := c.options.Limits
	l.Memory = memory
	return l
}

// fill loads the chart of an entry. What failed is not remembered.
func (c *Charts) fill(ctx context.Context, e *entry, tree fs.FS, memory *artifacts.Share) {
	chart, err := load(ctx, tree, c.limits(memory))
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(e.done)
	if e.chart, e.err = chart, err; err != nil {
		delete(c.loaded, e.digest)
		return
	}
	c.stats.Loads++
	c.remember(e.digest, chart.id)
	e.at, e.element = time.Now(), c.recent.PushFront(e)
	for c.used += chart.cost; c.used > c.options.Budget; {
		c.drop(c.recent.Back().Value.(*entry))
	}
	if c.timer == nil && c.recent.Len() > 0 {
		c.timer = time.AfterFunc(c.options.Idle, c.sweep)
	}
}

// remember keeps the identity of a chart. With too many of them one has to go, whichever.
func (c *Charts) remember(digest string, id Identity) {
	for other := range c.identities {
		if len(c.identities) < mostIdentities {
			break
		}
		delete(c.identities, other)
	}
	c.identities[digest] = id
}

// drop lets go of a chart. Who uses it still has it. mu is held.
func (c *Charts) drop(e *entry) {
	delete(c.loaded, e.digest)
	c.recent.Remove(e.element)
	c.used -= e.chart.cost
}

// sweep lets go of the charts that nobody has asked for.
func (c *Charts) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for back := c.recent.Back(); back != nil; back = c.recent.Back() {
		e := back.Value.(*entry)
		if rest := c.options.Idle - time.Since(e.at); rest > 0 {
			c.timer.Reset(rest)
			return
		}
		c.drop(e)
	}
	c.timer = nil
}
