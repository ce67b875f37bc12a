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
	pace   *Pace         // nil hands on everything at once
	hurry  chan struct{} // closed when the bus closes
	cond   *sync.Cond
	mu     sync.Mutex
	// queue, dropped, busy, hurried and closed are guarded by mu.
	queue   []Fact
	size    int
	dropped uint64
	busy    bool
	hurried bool
	closed  bool
}

// Observe calls handle for every fact published from now on, one at a time, on
// a goroutine of its own that ends with [Bus.Close]. At most size facts wait, at
// least one. ctx is handed to handle.
func (b *Bus) Observe(ctx context.Context, name string, size int, handle func(context.Context, Fact)) {
	b.ObservePaced(ctx, name, size, nil, handle)
}

// ObservePaced is Observe with a pace at which facts are handed on. It holds back no
// more than half of size: what comes beyond is handed on at once, so that nothing is
// lost for being held back.
func (b *Bus) ObservePaced(ctx context.Context, name string, size int, pace *Pace, handle func(context.Context, Fact)) {
	o := &observer{name: name, handle: handle, size: max(size, 1), pace: pace, hurry: make(chan struct{})}
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
		f, waiting, ok := o.next()
		if !ok {
			return
		}
		if o.pace != nil && waiting < o.size/2 {
			o.pace.hold(ctx, f, o.hurry)
		}
		o.handle(ctx, f)
		o.mu.Lock()
		o.busy = false
		o.cond.Broadcast()
		o.mu.Unlock()
	}
}

// next waits for a fact, and returns how many wait behind it.
func (o *observer) next() (f Fact, waiting int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 && !o.closed {
		o.cond.Wait()
	}
	if len(o.queue) == 0 {
		return Fact{}, 0, false
	}
	f = o.queue[0]
	o.queue = o.queue[1:]
	if len(o.queue) == 0 {
		o.queue = nil // let the burst's backing array go
	}
	o.busy = true
	return f, len(o.queue), true
}

func (o *observer) drain(ctx context.Context) {
	defer context.AfterFunc(ctx, o.abandon)()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.hurried {
		o.hurried = true
		close(o.hurry)
	}
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
