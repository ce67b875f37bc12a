package engine

import (
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
	lanes map[schema.GroupKind]workqueue.TypedInterface[Key]
}

func newQueue(kinds []schema.GroupKind) *queue {
	q := &queue{lanes: make(map[schema.GroupKind]workqueue.TypedInterface[Key], len(kinds))}
	for _, kind := range kinds {
		q.lanes[kind] = workqueue.NewTyped[Key]()
	}
	return q
}

// add queues key and says whether its kind has a lane.
func (q *queue) add(key Key) bool {
	lane, ok := q.lanes[key.GroupKind]
	if ok {
		lane.Add(key)
	}
	return ok
}

// close lets workers finish what they hold and hands out nothing more.
func (q *queue) close() {
	for _, lane := range q.lanes {
		lane.ShutDown()
	}
}
