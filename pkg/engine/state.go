package engine

import (
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// state is what the engine remembers of one object between two runs.
type state struct {
	// latest is the newest version that we wrote, until the cache has caught
	// up: a run never starts from less than what the last one saved.
	latest api.Object
	// buried is the last version of an object that is gone and has yet to be
	// finalized.
	buried api.Object
	// failures counts the failed runs since the last good one.
	failures int
	// queued and running say where the object is; parked that no timer wakes it.
	queued, running, parked bool
	// suspect says that nothing would have woken the object at the last patrol,
	// and that it has not been visited since.
	suspect bool
	// cold says that the last run waited for something fluxd has yet to load.
	cold bool
	// refilled says that a suspended object's artifact has been loaded.
	refilled bool
	// since is when the object began to be queued, to run or to rest; ended is when its
	// last run ended, and last how. They are for people who ask.
	since, ended time.Time
	last         string
}

// table holds the state of all objects and who reads whom.
type table struct {
	mu     sync.Mutex // guards the fields below and every state
	states map[Key]*state
	index  *index
}

func newTable() *table {
	return &table{states: make(map[Key]*state), index: newIndex()}
}

// with runs f on the state of key while nobody else looks at it.
func (t *table) with(key Key, f func(*state)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.states[key]
	if !ok {
		s = &state{}
		t.states[key] = s
	}
	f(s)
}

// forget drops all that is known of key, unless an object of that name is back:
// what is known of that one already stays.
func (t *table) forget(key Key, back func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.states[key]
	if back() {
		*s = state{queued: s.queued}
		return
	}
	delete(t.states, key)
	t.index.drop(key)
}

// confirmed says whether key was a suspect before; it is one from now on.
func (t *table) confirmed(key Key) (before bool) {
	t.with(key, func(s *state) { before, s.suspect = s.suspect, true })
	return before
}

func (t *table) setReferences(key Key, refs []reconcilers.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.index.set(key, refs)
}

func (t *table) dependents(ref reconcilers.Ref) []Key {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index.dependents(ref)
}

// coldDependents returns those of the dependents whose last run found fluxd's
// memory cold.
func (t *table) coldDependents(ref reconcilers.Ref) []Key {
	t.mu.Lock()
	defer t.mu.Unlock()
	var cold []Key
	for _, key := range t.index.dependents(ref) {
		if s, ok := t.states[key]; ok && s.cold {
			cold = append(cold, key)
		}
	}
	return cold
}

func (t *table) references(key Key) []reconcilers.Ref {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index.reads[key]
}

// newer returns whichever of two versions of an object the server stored
// later.
func newer(cached, latest api.Object) api.Object {
	if latest != nil && older(cached, latest) {
		return latest
	}
	return cached
}

// older says that a is an earlier version of the object that b is. Versions of one
// kind can be compared as numbers (KEP-5504).
func older(a, b metav1.Object) bool {
	if a.GetUID() != b.GetUID() {
		return false
	}
	va, errA := strconv.ParseUint(a.GetResourceVersion(), 10, 64)
	vb, errB := strconv.ParseUint(b.GetResourceVersion(), 10, 64)
	return errA == nil && errB == nil && va < vb
}
