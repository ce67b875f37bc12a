package events

import (
	"context"
	"slices"
	"sync"
)

// Bus hands facts to its observers. The zero value is ready to use.
type Bus struct {
	mu        sync.RWMutex
	observers []*observer
}

type observer struct {
	name   string
	handle func(context.Context, Fact)
	cond   *sync.Cond
	mu     sync.Mutex
	// queue, dropped, busy and closed are guarded by mu.
	queue   []Fact
	size    int
	dropped uint64
	busy    bool
	closed  bool
}

// Observe calls handle for every fact published from now on, one at a time, on
// a goroutine of its own that ends with [Bus.Close]. At most size facts wait, at
// least one. ctx is handed to handle.
func (b *Bus) Observe(ctx context.Context, name string, size int, handle func(context.Context, Fact)) {
	o := &observer{name: name, handle: handle, size: max(size, 1)}
	o.cond = sync.NewCond(&o.mu)
	b.mu.Lock()
	b.observers = append(b.observers, o)
	b.mu.Unlock()
	go o.run(ctx)
}

// Publish hands f to every observer and returns at once.
func (b *Bus) Publish(f Fact) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, o := range b.observers {
		o.offer(f)
	}
}

// Dropped returns how many facts each observer has lost, by its name.
func (b *Bus) Dropped() map[string]uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	lost := make(map[string]uint64, len(b.observers))
	for _, o := range b.observers {
		o.mu.Lock()
		lost[o.name] += o.dropped
		o.mu.Unlock()
	}
	return lost
}

// Close waits until the observers have handled what was published, or until
// ctx ends, and then stops them. What was not handled by then is dropped.
func (b *Bus) Close(ctx context.Context) {
	b.mu.RLock()
	observers := slices.Clone(b.observers) // not held while waiting: Publish never blocks
	b.mu.RUnlock()
	for _, o := range observers {
		o.drain(ctx)
	}
}

func (o *observer) offer(f Fact) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if len(o.queue) == o.size {
		o.queue = o.queue[1:]
		o.dropped++
	}
	o.queue = append(o.queue, f)
	o.cond.Broadcast()
}

func (o *observer) run(ctx context.Context) {
	for {
		f, ok := o.next()
		if !ok {
			return
		}
		o.handle(ctx, f)
		o.mu.Lock()
		o.busy = false
		o.cond.Broadcast()
		o.mu.Unlock()
	}
}

func (o *observer) next() (Fact, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 && !o.closed {
		o.cond.Wait()
	}
	if len(o.queue) == 0 {
		return Fact{}, false
	}
	f := o.queue[0]
	o.queue = o.queue[1:]
	if len(o.queue) == 0 {
		o.queue = nil // let the burst's backing array go
	}
	o.busy = true
	return f, true
}

func (o *observer) drain(ctx context.Context) {
	defer context.AfterFunc(ctx, o.abandon)()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.closed && (len(o.queue) > 0 || o.busy) {
		o.cond.Wait()
	}
	o.closed = true
	o.cond.Broadcast()
}

// abandon drops what waits and takes nothing more.
func (o *observer) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropped += uint64(len(o.queue))
	o.queue, o.closed = nil, true
	o.cond.Broadcast()
}
