package events

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// paced publishes n facts to an observer with a pace and returns after which time
// each was handed on; before is called between publishing and looking.
func paced(t *testing.T, size, n int, busy func() bool, before func(*Bus)) []time.Duration {
	t.Helper()
	var b Bus
	var told []time.Duration
	began := time.Now()
	b.ObservePaced(t.Context(), "recorder", size, NewPace(busy), func(context.Context, Fact) {
		told = append(told, time.Since(began))
	})
	for i := range n {
		b.Publish(Fact{Reason: fmt.Sprint(i), Time: time.Now()})
	}
	before(&b)
	b.Close(t.Context())
	if lost := b.Dropped()["recorder"]; lost != 0 {
		t.Errorf("%d facts are lost", lost)
	}
	return told
}

func TestPace(t *testing.T) {
	const n = prompt + 10
	busyFor := func(d time.Duration) func() bool {
		began := time.Now()
		return func() bool { return time.Since(began) < d }
	}
	wait := func(d time.Duration) func(*Bus) { return func(*Bus) { time.Sleep(d) } } // of the bubble's clock
	// after says that the facts beyond those that pass at once came after times.
	after := func(times ...time.Duration) []time.Duration { return append(make([]time.Duration, prompt), times...) }
	all := func(d time.Duration) []time.Duration {
		var times []time.Duration
		for range n - prompt {
			times = append(times, d)
		}
		return after(times...)
	}
	for name, test := range map[string]struct {
		busy   time.Duration
		before func(*Bus)
		want   []time.Duration
	}{
		"nothing else to do": {0, wait(time.Minute), all(0)},
		"work that goes on": {time.Hour, wait(time.Minute), after(200*time.Millisecond, 400*time.Millisecond, 600*time.Millisecond,
			800*time.Millisecond, time.Second, 1200*time.Millisecond, 1400*time.Millisecond, 1600*time.Millisecond, 1800*time.Millisecond, 2*time.Second)},
		"work that ends": {500 * time.Millisecond, wait(time.Minute), after(200*time.Millisecond, 400*time.Millisecond,
			600*time.Millisecond, 600*time.Millisecond, 600*time.Millisecond, 600*time.Millisecond, 600*time.Millisecond,
			600*time.Millisecond, 600*time.Millisecond, 600*time.Millisecond)},
		"the process ends": {time.Hour, func(*Bus) {}, all(0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := paced(t, 1024, n, busyFor(test.busy), test.before)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("handed on after (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A fact is held back for five seconds at most, however many there are.
func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := paced(t, 1024, 200, func() bool { return true }, func(*Bus) { time.Sleep(time.Minute) })
		if last := got[len(got)-1]; len(got) != 200 || last != longestHold {
			t.Errorf("%d facts were told of, the last after %s", len(got), last)
		}
	})
}

// What is more than half of the queue is not held back.
func TestPaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var atOnce atomic.Int32
		var b Bus
		const size = 1000
		b.ObservePaced(t.Context(), "recorder", size, NewPace(func() bool { return true }), func(context.Context, Fact) { atOnce.Add(1) })
		for range size {
			b.Publish(Fact{Time: time.Now()})
		}
		time.Sleep(regain) // one may have been held back before there were so many
		synctest.Wait()
		if got := atOnce.Load(); got < size/2 || got > size/2+prompt+1 {
			t.Errorf("%d of %d are handed on at once", got, size)
		}
		b.Close(t.Context())
		if got := atOnce.Load(); got != size {
			t.Errorf("%d of %d were handed on in the end", got, size)
		}
	})
}

// A fact that nobody timed is held back like any other.
func TestPaceOfAFactWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(func() bool { return true })
		p.credit = 0
		p.at = time.Now().Add(time.Hour) // gains nothing
		began := time.Now()
		p.hold(t.Context(), Fact{}, nil)
		if held := time.Since(began); held != longestHold {
			t.Errorf("held for %s", held)
		}
	})
}
