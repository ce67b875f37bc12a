package identity

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// maxCacheTime bounds how long credentials are kept.
const maxCacheTime = time.Hour

// flightTimeout bounds how long one answer may take, with all its calls.
const flightTimeout = time.Minute

// cache keeps credentials, the most recently used ones, and lets those who want
// the same at the same time share one call.
type cache struct {
	size  int
	most  time.Duration
	now   func() time.Time
	event func(Object, bool)

	mu      sync.Mutex // guards the fields below
	items   map[string]*list.Element
	recent  *list.List // of *item, most recently used first
	flights map[string]*flight
	stats   Stats
}

type item struct {
	key   string
	value any
	until time.Time
}

// flight is one call that others may wait for.
type flight struct {
	done  chan struct{}
	value any
	err   error
}

func newCache(o Options) *cache {
	return &cache{
		size: o.CacheSize, most: min(cmp.Or(o.CacheTime, maxCacheTime), maxCacheTime), now: o.Now, event: o.Event,
		items: make(map[string]*list.Element), recent: list.New(), flights: make(map[string]*flight),
	}
}

// fetch gets new credentials and says when they end; never, if that is zero.
type fetch[T any] func(context.Context) (value T, expires time.Time, err error)

// obtain returns the credentials of key, which is unique to their type. The call
// goes on when ctx ends, since others may wait for it.
func obtain[T any](ctx context.Context, a *asking, key string, f fetch[T]) (T, error) {
	value, err := a.cache.get(ctx, key, a.For, func(ctx context.Context) (any, time.Time, error) { return f(ctx) })
	if err != nil {
		var none T
		return none, err
	}
	return value.(T), nil
}

func (c *cache) get(ctx context.Context, key string, o Object, f fetch[any]) (any, error) {
	c.mu.Lock()
	value, hit := c.lookup(key)
	if hit {
		c.stats.Hits++
		c.mu.Unlock()
		c.event(o, true)
		return value, nil
	}
	c.stats.Misses++
	shared, ok := c.flights[key]
	if !ok {
		shared = &flight{done: make(chan struct{})}
		c.flights[key] = shared
		go c.fly(context.WithoutCancel(ctx), key, shared, f)
	}
	c.mu.Unlock()
	c.event(o, false)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-shared.done:
		return shared.value, shared.err
	}
}

func (c *cache) fly(ctx context.Context, key string, shared *flight, f fetch[any]) {
	ctx, cancel := context.WithTimeout(ctx, flightTimeout)
	defer cancel()
	var expires time.Time
	defer func() {
		if p := recover(); p != nil {
			shared.err = fmt.Errorf("internal error: getting credentials panicked: %v", p)
		}
		c.land(key, shared, expires)
	}()
	shared.value, expires, shared.err = f(ctx)
}

// land keeps what came of a call and tells those who wait.
func (c *cache) land(key string, shared *flight, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(shared.done)
	delete(c.flights, key)
	if shared.err != nil {
		c.stats.Failures++
		return
	}
	c.stats.Successes++
	now := c.now()
	life := min(expires.Sub(now)/10*8, c.most)
	if expires.IsZero() || life <= 0 || c.size <= 0 {
		return
	}
	c.drop(c.items[key])
	c.items[key] = c.recent.PushFront(&item{key: key, value: shared.value, until: now.Add(life)})
	for c.recent.Len() > c.size {
		c.drop(c.recent.Back())
		c.stats.Evictions++
	}
}

// lookup returns what is kept and still good. mu is held. A machine that slept
// stops the monotonic clock and one whose time is set moves the other, so both
// must agree.
func (c *cache) lookup(key string) (any, bool) {
	e, ok := c.items[key]
	if !ok {
		return nil, false
	}
	it, now := e.Value.(*item), c.now()
	if !now.Before(it.until) || !now.Round(0).Before(it.until.Round(0)) {
		c.drop(e)
		return nil, false
	}
	c.recent.MoveToFront(e)
	return it.value, true
}

// drop forgets an item; nil is none. mu is held.
func (c *cache) drop(e *list.Element) {
	if e != nil {
		delete(c.items, e.Value.(*item).key)
		c.recent.Remove(e)
	}
}

func (c *cache) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Items = len(c.items)
	return s
}

// digest returns a name for a list of texts. No two lists share one.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return string(h.Sum(nil))
}
