package artifacts

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestHeadroomOfOne(t *testing.T) {
	h := NewHeadroom(100)
	s := h.Share()
	for _, n := range []int64{40, 60} {
		if err := s.Grow(t.Context(), n); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if err := s.Grow(t.Context(), 1); !errors.Is(err, ErrNoHeadroom) {
		t.Errorf("over the capacity: %v", err)
	}
	s.Leave()
	s.Leave()
	if h.used != 0 || len(h.shares) != 0 {
		t.Errorf("%d bytes are held by %d after the end", h.used, len(h.shares))
	}
	if err := (*Headroom)(nil).Share().Grow(t.Context(), 1<<60); err != nil {
		t.Errorf("without bounds: %v", err)
	}
}

// Who may take more than there is takes all of it, and no more the second time.
func TestHeadroomHold(t *testing.T) {
	h := NewHeadroom(100)
	s := h.Share()
	for _, n := range []int64{40, 30, 1000, 1000} {
		if err := s.Hold(t.Context(), n); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if want := min(max(n, 40), 100); h.used != want {
			t.Errorf("%d bytes: %d are in use, want %d", n, h.used, want)
		}
	}
	s.Leave()
	if h.used != 0 {
		t.Errorf("%d bytes are held after the end", h.used)
	}
	if err := (*Share)(nil).Hold(t.Context(), 1<<60); err != nil {
		t.Errorf("without bounds: %v", err)
	}
}

func TestHeadroomMakesTheYoungerWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHeadroom(100)
		older, younger := h.Share(), h.Share()
		if err := errors.Join(older.Grow(t.Context(), 30), younger.Grow(t.Context(), 20)); err != nil {
			t.Fatal(err)
		}
		var granted error = errors.New("not yet")
		go func() { granted = younger.Grow(t.Context(), 10) }()
		synctest.Wait()
		if granted == nil {
			t.Fatal("the younger grew beyond half of the capacity")
		}
		if err := older.Grow(t.Context(), 70); err != nil {
			t.Fatalf("the older may have all of it: %v", err)
		}
		older.Leave()
		synctest.Wait()
		if granted != nil {
			t.Errorf("the younger is the oldest now: %v", granted)
		}
	})
}

func TestHeadroomIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHeadroom(10)
		if err := h.Share().Grow(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Share().Grow(ctx, 5); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting longer than the context: %v", err)
		}
	})
}

// Whatever many do at once, all get through and the bound holds.
func TestHeadroomOfMany(t *testing.T) {
	const capacity = 1000
	h := NewHeadroom(capacity)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			s := h.Share()
			defer s.Leave()
			for left := rand.Int64N(capacity) + 1; left > 0; {
				n := min(left, rand.Int64N(100)+1)
				left -= n
				if err := s.Grow(t.Context(), n); err != nil {
					t.Error(err)
					return
				}
				h.mu.Lock()
				if h.used > capacity*3/2 {
					t.Errorf("%d of %d are in use", h.used, capacity)
				}
				h.mu.Unlock()
			}
		})
	}
	all.Wait()
	if h.used != 0 {
		t.Errorf("%d bytes are held after the end", h.used)
	}
}
