package apply

import (
	"context"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// target is what one watch selects, and as whom.
type target struct {
	client         dynamic.Interface
	gvr            schema.GroupVersionResource
	namespace      string
	labels, fields string
}

// state is how far the records of a source can be trusted.
type state uint8

const (
	// starting: the first list is under way.
	starting state = iota
	// live: the records are what the watch last told.
	live
	// blind: the kind cannot be watched now, so that objects are read when needed.
	blind
	// gone: the API server does not serve the kind.
	gone
)

// source is one watch and the records it keeps. Its fields are guarded by the lock
// of the store.
type source struct {
	target
	slots map[key]*slot
	// waiters are to be woken when the health of an object changes, listeners when
	// any object fails.
	waiters   map[key]map[Owner]struct{}
	listeners map[Owner]struct{}
	fights    map[key]bout
	quiet     time.Time // when fights that are over were last forgotten
	refs      int
	state     state
	// ready is closed once the state is not starting any more.
	ready chan struct{}
	stop  context.CancelFunc
}

// alert wakes those who wait for the object k, once, and those who listen for
// failures.
func (src *source) alert(k key, h health, w *wakes) {
	for o := range src.waiters[k] {
		w.add(o, 0)
	}
	delete(src.waiters, k)
	if h != failed {
		return
	}
	for o := range src.listeners {
		w.add(o, 0)
	}
}

// arm has o woken when the health of k changes.
func (src *source) arm(o Owner, k key) {
	if src.waiters == nil {
		src.waiters = map[key]map[Owner]struct{}{}
	}
	if src.waiters[k] == nil {
		src.waiters[k] = map[Owner]struct{}{}
	}
	src.waiters[k][o] = struct{}{}
}

// tidy drops the slot of k if it holds nothing any more.
func (src *source) tidy(k key) {
	if sl := src.slots[k]; sl != nil && !sl.here && sl.writes == 0 && sl.left == (left{}) {
		delete(src.slots, k)
	}
}

// release forgets everything of o.
func (src *source) release(o Owner) {
	for k, sl := range src.slots {
		if sl.left != (left{}) && sl.left.owner.Value() == o {
			sl.left = left{}
			src.tidy(k)
		}
	}
	src.disarm(o)
}

// disarm forgets what o waits for.
func (src *source) disarm(o Owner) {
	for k, owners := range src.waiters {
		if delete(owners, o); len(owners) == 0 {
			delete(src.waiters, k)
		}
	}
	delete(src.listeners, o)
}

// bout is a fight over one object: somebody keeps changing what we keep restoring.
type bout struct {
	rounds int
	last   time.Time
}

// Limits of a fight. The first rounds are answered at once, so that people see
// their edits reverted; then each answer takes twice as long, up to a rhythm that
// hurts nobody. A quiet while ends the fight.
const (
	promptRounds = 3
	slowestRound = 5 * time.Minute
	quietWhile   = 2 * slowestRound
)

// fight counts a drift of k and returns how long its owner should wait before it
// restores the object.
func (src *source) fight(k key) time.Duration {
	now := time.Now()
	if now.Sub(src.quiet) > quietWhile/2 { // not at every drift: they come in thousands
		maps.DeleteFunc(src.fights, func(_ key, b bout) bool { return now.Sub(b.last) > quietWhile })
		src.quiet = now
	}
	if src.fights == nil {
		src.fights = map[key]bout{}
	}
	b := src.fights[k]
	if now.Sub(b.last) > quietWhile {
		b.rounds = 0
	}
	b.rounds++
	b.last = now
	src.fights[k] = b
	if b.rounds <= promptRounds {
		return 0
	}
	return min(time.Second<<min(b.rounds-promptRounds, 30), slowestRound)
}
