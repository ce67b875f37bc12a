package apply

import (
	"context"
	"sync"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// key names an object inside its kind.
type key struct{ namespace, name string }

// slot is an object that exists, that an owner left, or that is being written.
type slot struct {
	record
	left left
	// writes is how many requests of ours are on their way: what the watch tells
	// meanwhile may be our own doing, and is judged when the answer is there.
	writes int16
	// here: the object exists. A record that is not here is the last that was known.
	here bool
	// told: the owner has been woken for the drift that there is.
	told bool
	// heard: the watch has told something of the object since writes was 0.
	heard bool
	// by is who has confirmed the record since the last list of the source began.
	by word
}

// word is whose word a record is.
type word uint8

const (
	nobodys word = iota
	answers      // of the API server to a write or a read of ours
	watches      // or that of the list which a watch begins with
)

// author is who writes: an owner, and as whom.
type author struct {
	owner unique.Handle[Owner]
	as    unique.Handle[string] // zero for the identity of the process
}

// left is what an author left behind: the digest of the desired object it sent, and
// the owned digest after that. The zero value is nothing.
type left struct {
	author
	want, owned uint64
}

// tells says whether the slot may tell an author about the object. The records are
// ours, and who acts as somebody else may know no more than it would be told itself:
// only of what it has written, or was allowed to try.
func (s *slot) tells(by author) bool {
	return by.as == (unique.Handle[string]{}) || s.left.author == by
}

// drifted says that the object is not as it was left, to the harm of whoever left
// it. An object that carries the labels of somebody else by now is a dispute
// between two owners, which the interval settles as it does in Flux: waking both
// would make them write it in turns for ever.
func (s *slot) drifted() bool {
	switch {
	case s.left.owner == (unique.Handle[Owner]{}) || s.writes > 0 || s.flags&stale != 0:
		return false
	case !s.here:
		return s.flags&expires == 0
	}
	return s.record.owner == s.left.owner && s.record.owned != s.left.owned
}

// purpose is why an owner has something watched.
type purpose int

const (
	forKinds        purpose = iota // of its inventory
	forSingles                     // objects that its inventory does not have
	forPods                        // of sets that are in progress
	forDependencies                // that have to be ready first
	purposes
)

// tenant is what the store knows of one owner.
type tenant struct {
	terms terms
	// sources are what is watched for the owner, by why.
	sources [purposes]map[*source]struct{}
	// selectors are those of the Pods of sets that were seen in progress.
	selectors map[Entry]string
}

// store holds the records of everything that is watched, what owners left, and who
// waits for what.
type store struct {
	reducer *reducer
	wake    func(Owner, time.Duration)
	noWatch bool

	ctx     context.Context // of the watches
	cancel  context.CancelFunc
	watches sync.WaitGroup

	mu      sync.Mutex // guards the fields below and those of sources and tenants
	sources map[target]*source
	tenants map[Owner]*tenant
}

func newStore(r *reducer, wake func(Owner, time.Duration), noWatch bool) *store {
	s := &store{
		reducer: r, wake: wake, noWatch: noWatch,
		sources: map[target]*source{}, tenants: map[Owner]*tenant{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// close ends the watches and waits for them.
func (s *store) close() {
	s.cancel()
	s.watches.Wait()
}

// wakes are calls of Config.Wake that are made once the lock is released.
type wakes map[Owner]time.Duration

func (w *wakes) add(o Owner, after time.Duration) {
	if *w == nil {
		*w = wakes{}
	}
	if d, ok := (*w)[o]; !ok || after < d {
		(*w)[o] = after
	}
}

func (s *store) call(w wakes) {
	for o, after := range w {
		if s.wake != nil {
			s.wake(o, after)
		}
	}
}

func (s *store) termsOf(o unique.Handle[Owner]) terms {
	if o == (unique.Handle[Owner]{}) {
		return terms{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.termsLocked(o)
}

func (s *store) termsLocked(o unique.Handle[Owner]) terms {
	if o == (unique.Handle[Owner]{}) {
		return terms{}
	}
	if t := s.tenants[o.Value()]; t != nil {
		return t.terms
	}
	return terms{}
}

// reduce returns the record of obj under the terms of its owner, and the terms. The
// rules of src, if it has any, go before those of the owner.
func (s *store) reduce(src *source, obj *unstructured.Unstructured) (record, terms) {
	var used terms
	rec := s.reducer.reduce(obj, func(o unique.Handle[Owner]) terms {
		used = s.termsOf(o)
		t := used
		if src != nil && src.rules != nil {
			t.rules = src.rules
		}
		return t
	})
	return rec, used
}

func (s *store) stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Watches: len(s.sources)}
	for _, src := range s.sources {
		st.Records += len(src.slots)
		if src.state == blind {
			st.Blind++
		}
	}
	return st
}
