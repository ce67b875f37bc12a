package engine

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/fluxd/fluxd/pkg/reconcilers"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// Key names the object of one piece of work.
type Key = reconcilers.Ref

// queue is one queue to its callers and a lane per kind inside, so that a slow
// kind never delays another. A key is handed to one worker at a time; added
// while it is worked on, it is handed out once more afterwards.
type queue struct {
	lanes  map[schema.GroupKind]workqueue.TypedInterface[Key]
	closed atomic.Bool
}

// newQueue returns a queue with a lane for each kind, which reports to metrics, if
// these are not nil, under the kind in lower case.
func newQueue(kinds []schema.GroupKind, metrics workqueue.MetricsProvider) *queue {
	q := &queue{lanes: make(map[schema.GroupKind]workqueue.TypedInterface[Key], len(kinds))}
	for _, kind := range kinds {
		q.lanes[kind] = workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{
			Name: strings.ToLower(kind.Kind), MetricsProvider: metrics, Clock: drowsy{},
		})
	}
	return q
}

// drowsy is the clock of the lanes. They look at the work under way twice a second
// for their metrics, which would wake a processor that has nothing to do; once in
// ten seconds is as often as anybody asks.
type drowsy struct{ clock.RealClock }

// NewTicker implements [clock.WithTicker].
func (c drowsy) NewTicker(d time.Duration) clock.Ticker {
	return c.RealClock.NewTicker(max(d, 10*time.Second))
}

// has says whether the kind of key has a lane.
func (q *queue) has(key Key) bool {
	_, ok := q.lanes[key.GroupKind]
	return ok
}

// add queues key, whose kind has a lane. It does not block.
func (q *queue) add(key Key) { q.lanes[key.GroupKind].Add(key) }

// take waits for a key of one kind and says whether there is one: there is none
// once the queue is closed, whatever is still in it. The caller gives it back.
func (q *queue) take(kind schema.GroupKind) (key Key, ok bool) {
	key, down := q.lanes[kind].Get()
	return key, !down && !q.closed.Load()
}

// waiting says whether a key waits for a worker.
func (q *queue) waiting() bool {
	for _, lane := range q.lanes {
		if lane.Len() > 0 {
			return true
		}
	}
	return false
}

// giveBack ends the work on a key.
func (q *queue) giveBack(key Key) { q.lanes[key.GroupKind].Done(key) }

// close lets workers finish what they hold and hands out nothing more.
func (q *queue) close() {
	q.closed.Store(true)
	for _, lane := range q.lanes {
		lane.ShutDown()
	}
}
