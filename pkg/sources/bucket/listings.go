package bucket

import (
	"context"
	"errors"
	"sync"
)

// Listings lets those who want the same listing at the same time share one. It is safe
// for concurrent use, and the zero value is ready.
//
// Nobody gets a listing that began before it asked, since it may lack what was put there
// in between. Of any number who ask at once, the first one lists, the next one lists again
// when that is over, and the others share the second listing.
type Listings struct {
	mu      sync.Mutex // guards what follows
	begun   uint64     // how many listings have begun
	running map[string]*running
}

// running is a listing under way. It is complete when done is closed.
type running struct {
	number  uint64
	done    chan struct{}
	listing *Listing
	err     error
}

// errUnlisted is what others see if who lists panics; they go on in its place.
var errUnlisted = errors.Join(errors.New("the listing was not finished"), context.Canceled)

// Share returns what list returns, or what that of another call with the same key did. The
// key has to name everything that shapes the listing, and the right to see it. Who was
// slow or was told to stop is not waited for: whoever waits goes on in its place. The
// error of ctx is returned if that ends first.
func (l *Listings) Share(ctx context.Context, key string, list func(context.Context) (*Listing, error)) (*Listing, error) {
	asked := l.count()
	for {
		r, mine := l.enter(key)
		if mine {
			l.run(ctx, key, r, list)
			return r.listing, r.err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.done:
		}
		if r.number > asked && !gaveUp(r.err) {
			return r.listing, r.err
		}
	}
}

func gaveUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout)
}

func (l *Listings) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

// enter makes the caller the one who lists, or returns the listing that is under way.
func (l *Listings) enter(key string) (r *running, mine bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r = l.running[key]; r != nil {
		return r, false
	}
	if l.running == nil {
		l.running = make(map[string]*running)
	}
	l.begun++
	r = &running{number: l.begun, done: make(chan struct{}), err: errUnlisted}
	l.running[key] = r
	return r, true
}

func (l *Listings) run(ctx context.Context, key string, r *running, list func(context.Context) (*Listing, error)) {
	defer func() {
		l.mu.Lock()
		delete(l.running, key)
		l.mu.Unlock()
		close(r.done)
	}()
	r.listing, r.err = list(ctx)
}
