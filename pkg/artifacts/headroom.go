package artifacts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrNoHeadroom says that something needs more memory than there will ever be.
var ErrNoHeadroom = errors.New("does not fit into memory")

// Headroom is the memory that making trees may take, shared by all that are being
// made. Who began first may take all of it; the others wait once half is taken.
// Thus somebody can always go on, and together they never take more than one and
// a half times the capacity.
//
// A nil Headroom is without bounds.
type Headroom struct {
	capacity int64

	mu      sync.Mutex // guards what follows
	used    int64
	shares  []*Share // by age
	changed chan struct{}
}

// NewHeadroom returns one of so many bytes.
func NewHeadroom(capacity int64) *Headroom {
	return &Headroom{capacity: capacity, changed: make(chan struct{})}
}

// Share is what one piece of work has taken. It is for one goroutine. A nil Share
// is without bounds.
type Share struct {
	room    *Headroom
	held    int64
	entered bool
}

// Share returns an empty one for a piece of work, which has begun when the share
// grows for the first time.
func (h *Headroom) Share() *Share { return &Share{room: h} }

// Grow takes n more bytes and waits until it may. It returns [ErrNoHeadroom] if
// that would be more than the capacity, and the error of ctx if that ends first.
func (s *Share) Grow(ctx context.Context, n int64) error {
	if s == nil || s.room == nil {
		return nil
	}
	for {
		wait, err := s.take(n)
		if wait == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait:
		}
	}
}

// Hold grows the share until it has n bytes, or all that there is to share if that is
// less. It is for work that is heavier than its estimate allows for, or lighter, and has
// a bound of its own.
func (s *Share) Hold(ctx context.Context, n int64) error {
	if s == nil || s.room == nil {
		return nil
	}
	return s.Grow(ctx, max(0, min(n, s.room.capacity)-s.held))
}

// take returns what to wait for, nil if there is an answer.
func (s *Share) take(n int64) (wait <-chan struct{}, err error) {
	h := s.room
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.entered {
		h.shares = append(h.shares, s)
		s.entered = true
	}
	switch {
	case s.held+n > h.capacity:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrNoHeadroom, h.capacity)
	case h.shares[0] != s && h.used+n > h.capacity/2:
		return h.changed, nil
	}
	s.held += n
	h.used += n
	return nil, nil
}

// Leave gives everything back. The second time it does nothing.
func (s *Share) Leave() {
	if s == nil || s.room == nil {
		return
	}
	h := s.room
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.entered {
		return
	}
	h.shares = slices.DeleteFunc(h.shares, func(other *Share) bool { return other == s })
	h.used -= s.held
	s.held, s.entered = 0, false
	close(h.changed)
	h.changed = make(chan struct{})
}
