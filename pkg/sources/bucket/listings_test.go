package bucket_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// lists returns something to share: each listing waits for the gate and fails with err.
type lists struct {
	bucket.Listings
	mu    sync.Mutex
	count int
	gate  chan error // one value lets one listing end
}

func (l *lists) ask(ctx context.Context, key string, answers chan<- error) {
	listing, err := l.Share(ctx, key, func(context.Context) (*bucket.Listing, error) {
		l.mu.Lock()
		l.count++
		l.mu.Unlock()
		return &bucket.Listing{}, <-l.gate
	})
	if err == nil && listing == nil {
		err = errors.New("neither a listing nor an error")
	}
	answers <- err
}

func (l *lists) want(t *testing.T, count int) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count != count {
		t.Errorf("%d listings have begun, want %d", l.count, count)
	}
}

// Those who come while a listing is under way share the next one, which has all that was
// there when they asked.
func TestListingsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, answers := &lists{gate: make(chan error)}, make(chan error, 10)
		go l.ask(t.Context(), "a", answers)
		l.want(t, 1)
		for range 5 {
			go l.ask(t.Context(), "a", answers)
		}
		go l.ask(t.Context(), "b", answers)
		l.want(t, 2) // of another bucket
		l.gate <- nil
		l.gate <- nil
		l.want(t, 3)
		l.gate <- nil
		synctest.Wait()
		if len(answers) != 7 {
			t.Fatalf("%d of 7 have an answer", len(answers))
		}
		for range 7 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		l.want(t, 3)
	})
}

func TestListingsThatFail(t *testing.T) {
	refused := errors.New("refused")
	for name, tt := range map[string]struct {
		ends  error
		count int
	}{
		"are shared":                       {refused, 2},
		"are not if they were too slow":    {bucket.ErrTimeout, 3},
		"are not if they had to be ended":  {context.Canceled, 3},
		"are not if the time was over too": {context.DeadlineExceeded, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, answers := &lists{gate: make(chan error)}, make(chan error, 3)
				for range 3 {
					go l.ask(t.Context(), "a", answers)
					synctest.Wait()
				}
				l.gate <- nil
				l.want(t, 2)
				l.gate <- tt.ends
				l.want(t, tt.count)
				if tt.count == 3 {
					l.gate <- nil
				}
				synctest.Wait()
				failed := 0
				for range 3 {
					if err := <-answers; errors.Is(err, tt.ends) {
						failed++
					} else if err != nil {
						t.Error(err)
					}
				}
				if want := map[int]int{2: 2, 3: 1}[tt.count]; failed != want {
					t.Errorf("%d failed, want %d", failed, want)
				}
			})
		})
	}
}

func TestListingsOfWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, answers, gone := &lists{gate: make(chan error)}, make(chan error, 1), make(chan error, 1)
		ctx, leave := context.WithCancel(t.Context())
		go l.ask(t.Context(), "a", answers)
		synctest.Wait()
		go l.ask(ctx, "a", gone)
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		l.gate <- nil
		if err := <-answers; err != nil {
			t.Error(err)
		}
		l.want(t, 1)
	})
}

// A panic is that of who lists, and nobody waits for it for ever.
func TestListingsThatPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, answers := &lists{gate: make(chan error)}, make(chan error, 1)
		enter := make(chan struct{})
		go func() {
			defer func() { _ = recover() }()
			_, _ = l.Share(t.Context(), "a", func(context.Context) (*bucket.Listing, error) {
				<-enter
				panic("no")
			})
		}()
		synctest.Wait()
		go l.ask(t.Context(), "a", answers)
		synctest.Wait()
		close(enter)
		l.gate <- nil
		if err := <-answers; err != nil {
			t.Error(err)
		}
	})
}
