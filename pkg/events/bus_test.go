package events

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// journal is an observer that writes down what it is told.
type journal struct {
	mu      sync.Mutex
	reasons []string
}

func (j *journal) handle(_ context.Context, f Fact) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reasons = append(j.reasons, f.Reason)
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.reasons...)
}

func TestBusTellsEveryObserverInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bus Bus
		var a, b journal
		bus.Observe(t.Context(), "a", 10, a.handle)
		bus.Observe(t.Context(), "b", 10, b.handle)
		var want []string
		for i := range 10 {
			want = append(want, strconv.Itoa(i))
			bus.Publish(Fact{Reason: strconv.Itoa(i)})
		}
		bus.Close(t.Context())
		for name, j := range map[string]*journal{"a": &a, "b": &b} {
			if diff := cmp.Diff(want, j.read()); diff != "" {
				t.Errorf("observer %s (-want +got):\n%s", name, diff)
			}
		}
		if diff := cmp.Diff(map[string]uint64{"a": 0, "b": 0}, bus.Dropped()); diff != "" {
			t.Errorf("dropped (-want +got):\n%s", diff)
		}
	})
}

func TestBusDropsTheOldestFactOfAnObserverThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bus Bus
		var slow, quick journal
		release := make(chan struct{})
		bus.Observe(t.Context(), "slow", 2, func(ctx context.Context, f Fact) {
			<-release
			slow.handle(ctx, f)
		})
		bus.Observe(t.Context(), "quick", 100, quick.handle)
		bus.Publish(Fact{Reason: "held"})
		synctest.Wait() // slow holds the first fact
		for i := range 5 {
			bus.Publish(Fact{Reason: strconv.Itoa(i)})
		}
		synctest.Wait()
		if got := len(quick.read()); got != 6 {
			t.Errorf("the quick observer was told of %d facts, want 6", got)
		}
		close(release)
		bus.Close(t.Context())
		if diff := cmp.Diff([]string{"held", "3", "4"}, slow.read()); diff != "" {
			t.Errorf("slow observer (-want +got):\n%s", diff)
		}
		if got := bus.Dropped()["slow"]; got != 3 {
			t.Errorf("dropped %d facts, want 3", got)
		}
	})
}

func TestBusCloseGivesUpOnAnObserverThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bus Bus
		release := make(chan struct{})
		bus.Observe(t.Context(), "stuck", 4, func(context.Context, Fact) { <-release })
		for range 3 {
			bus.Publish(Fact{})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		started := time.Now()
		bus.Close(ctx)
		if took := time.Since(started); took != 5*time.Second {
			t.Errorf("closed after %s, want 5s", took)
		}
		bus.Publish(Fact{}) // taken by nobody, and blocks nobody
		if got := bus.Dropped()["stuck"]; got != 2 {
			t.Errorf("dropped %d facts, want the 2 that waited", got)
		}
		close(release)
	})
}

func TestBusPublishesWhileItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bus Bus
		release := make(chan struct{})
		bus.Observe(t.Context(), "slow", 4, func(context.Context, Fact) { <-release })
		bus.Publish(Fact{})
		go bus.Close(t.Context())
		synctest.Wait()
		go bus.Observe(t.Context(), "late", 1, func(context.Context, Fact) {})
		synctest.Wait()
		bus.Publish(Fact{}) // must not wait for the slow observer
		close(release)
		synctest.Wait()
		bus.Close(t.Context())
	})
}

func TestBusSizeIsAtLeastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bus Bus
		var j journal
		bus.Observe(t.Context(), "none", 0, j.handle)
		bus.Publish(Fact{Reason: "a"})
		bus.Close(t.Context())
		if diff := cmp.Diff([]string{"a"}, j.read()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
