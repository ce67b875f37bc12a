package apply

import (
	"context"
	"maps"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// target is what one watch selects, and as whom.
type target struct {
	client         dynamic.Interface
	gvr            schema.GroupVersionResource
	namespace      string
	labels, fields string
	// rules judge the objects in place of those of their owners: whoever looks at the
	// object of somebody else has an opinion of its own.
	rules *Rules
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
	fights    map[key]time.Time // when what counts against an object is forgotten
	quiet     time.Time         // when fights that are over were last forgotten
	news      time.Time         // when the health or existence of an object last changed
	// position is the version up to which the watch has told everything that it
	// selects; 0 until the list that it begins with is complete.
	position version
	refs     int
	state    state
	// ready is closed once the state is not starting any more.
	ready chan struct{}
	stop  context.CancelFunc
}

// anything is a key that stands for every object of a source.
var anything = key{}

// alert wakes those who wait for the object k, once, and those who listen for
// failures.
func (src *source) alert(k key, h health, w *wakes) {
	if src.state == live {
		src.news = time.Now()
	}
	for _, about := range []key{k, anything} {
		for o := range src.waiters[about] {
			w.add(o, 0)
		}
		delete(src.waiters, about)
	}
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

// selects says whether the watch tells of an object with this record. What it does
// not select it never mentions, and so never ends.
func (src *source) selects(rec record) bool {
	return src.labels == "" || rec.owner != (unique.Handle[Owner]{})
}

// outdated says that an answer is behind what is known of the object: older than the
// record, or, if there is none, no newer than what the watch has told, so that it
// would have the object if it still existed.
func (src *source) outdated(sl *slot, answer record) bool {
	return answer.version.older(sl.version) ||
		!sl.here && src.position.covers(answer.version) && src.selects(answer)
}

// ahead says that a record which the list of version listed does not have is newer
// than the list, so that the watch will still tell of it.
func (src *source) ahead(sl *slot, listed version) bool {
	return sl.by == answers && listed.older(sl.version) && src.selects(sl.record)
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

// Limits of a fight: somebody keeps changing what we keep restoring. People see
// their edits reverted at once, a hundred in a row if they insist. Whoever goes on
// at a pace that only a program has gets each answer after twice the time of the
// one before, until there are about two a minute, which hurts nobody.
const (
	promptRounds = 120
	roundEvery   = 30 * time.Second // a round is forgotten after this time
	slowestRound = 5 * time.Minute
)

// fight counts a drift of k and returns how long its owner should wait before it
// restores the object. What is kept of k is the time at which all of its rounds
// will have been forgotten.
func (src *source) fight(k key) time.Duration {
	now := time.Now()
	if now.Sub(src.quiet) > slowestRound { // not at every drift: they come in thousands
		maps.DeleteFunc(src.fights, func(_ key, forgotten time.Time) bool { return forgotten.Before(now) })
		src.quiet = now
	}
	if src.fights == nil {
		src.fights = map[key]time.Time{}
	}
	forgotten := src.fights[k]
	if forgotten.Before(now) {
		forgotten = now
	}
	forgotten = forgotten.Add(roundEvery)
	src.fights[k] = forgotten
	rounds := int((forgotten.Sub(now) + roundEvery - 1) / roundEvery)
	if rounds <= promptRounds {
		return 0
	}
	return min(time.Second<<min(rounds-promptRounds, 30), slowestRound)
}
