package engine

import (
	"sync/atomic"

	"github.com/fluxd/fluxd/pkg/reconcilers"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
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

func newQueue(kinds []schema.GroupKind) *queue {
	q := &queue{lanes: make(map[schema.GroupKind]workqueue.TypedInterface[Key], len(kinds))}
	for _, kind := range kinds {
		q.lanes[kind] = workqueue.NewTyped[Key]()
	}
	return q
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

// giveBack ends the work on a key.
func (q *queue) giveBack(key Key) { q.lanes[key.GroupKind].Done(key) }

// close lets workers finish what they hold and hands out nothing more.
func (q *queue) close() {
	q.closed.Store(true)
	for _, lane := range q.lanes {
		lane.ShutDown()
	}
}
