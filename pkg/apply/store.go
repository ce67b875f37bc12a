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
	// seq is when the record was last confirmed, in ticks of the store.
	seq uint64
	// writes is how many requests of ours are on their way: what the watch tells
	// meanwhile may be our own doing, and is judged when the answer is there.
	writes int16
	// here: the object exists. A record that is not here is the last that was known.
	here bool
	// told: the owner has been woken for the drift that there is.
	told bool
}

// left is what an owner left behind: the digest of the desired object it sent, and
// the owned digest after that. The zero value is nothing.
type left struct {
	owner       unique.Handle[Owner]
	want, owned uint64
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
	forKinds   purpose = iota // of its inventory
	forSingles                // objects that its inventory does not have
	forPods                   // of sets that are in progress
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
	seq     uint64
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

// reduce returns the record of obj under the terms of its owner, and the terms.
func (s *store) reduce(obj *unstructured.Unstructured) (record, terms) {
	var used terms
	rec := s.reducer.reduce(obj, func(o unique.Handle[Owner]) terms {
		used = s.termsOf(o)
		return used
	})
	return rec, used
}

// event takes in what a watch told. What a list told comes with the tick at which
// the list started; it may go back in time, because a cluster may have been
// restored, but not behind what was confirmed since.
func (s *store) event(src *source, obj *unstructured.Unstructured, gone bool, listed uint64) {
	rec, used := s.reduce(obj)
	k := key{unique.Make(obj.GetNamespace()).Value(), obj.GetName()}
	var w wakes
	s.mu.Lock()
	s.observe(src, k, rec, used, !gone, listed, &w)
	s.mu.Unlock()
	s.call(w)
}

// observe puts a record into its slot and finds out whom that concerns.
func (s *store) observe(src *source, k key, rec record, used terms, here bool, listed uint64, w *wakes) {
	sl := src.slots[k]
	if sl == nil {
		if !here {
			return
		}
		sl = &slot{}
		src.slots[k] = sl
	}
	if sl.here && sl.seq > listed && (rec.version.older(sl.version) || !here && rec.uid != sl.uid) {
		return // the answer to a write of ours was faster than the watch
	}
	s.put(src, k, sl, rec, used, here, w)
}

// put replaces the record of a slot.
func (s *store) put(src *source, k key, sl *slot, rec record, used terms, here bool, w *wakes) {
	if used != s.termsLocked(rec.owner) {
		rec.flags |= stale
	}
	s.seq++
	moved := sl.here != here || sl.health != rec.health || sl.uid != rec.uid ||
		rec.flags&stale != 0 || (rec.flags^sl.flags)&timed != 0
	sl.record, sl.here, sl.seq = rec, here, s.seq
	s.judge(src, k, sl, w)
	if moved {
		src.alert(k, sl.health, w)
	}
	src.tidy(k)
}

// judge wakes the owner of a slot once per drift.
func (s *store) judge(src *source, k key, sl *slot, w *wakes) {
	drifted := sl.drifted()
	if drifted && !sl.told {
		w.add(sl.left.owner.Value(), src.fight(k))
	}
	sl.told = drifted
}

// begin announces a write to an object.
func (s *store) begin(src *source, k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := src.slots[k]
	if sl == nil {
		sl = &slot{}
		src.slots[k] = sl
	}
	sl.writes++
}

// finish takes in the answer to a write: obj is the object as the API server has it
// now, or nil if the write failed, after which nobody knows how the object was left.
func (s *store) finish(src *source, k key, owner Owner, want uint64, obj *unstructured.Unstructured) record {
	var rec record
	var used terms
	if obj != nil {
		rec, used = s.reduce(obj)
	}
	var w wakes
	s.mu.Lock()
	sl := src.slots[k]
	sl.writes--
	sl.told = false
	if obj == nil {
		sl.left = left{}
		src.tidy(k)
	} else {
		sl.left = left{unique.Make(owner), want, rec.owned}
		if !rec.version.older(sl.version) && rec.version != sl.version || !sl.here && rec.version == sl.version {
			s.put(src, k, sl, rec, used, true, &w)
		} else { // the watch knows as much as the answer, or more
			s.judge(src, k, sl, &w)
		}
	}
	s.mu.Unlock()
	s.call(w)
	return rec
}

// settle remembers that an object is as wanted without having been written: owned
// is its digest when that was found.
func (s *store) settle(src *source, k key, owner Owner, want, owned uint64) {
	var w wakes
	s.mu.Lock()
	if sl := src.slots[k]; sl != nil {
		sl.left = left{unique.Make(owner), want, owned}
		s.judge(src, k, sl, &w)
	}
	s.mu.Unlock()
	s.call(w)
}

// disown forgets how owner left an object, so that its end is no drift.
func (s *store) disown(src *source, k key, owner Owner) {
	if src == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := src.slots[k]; sl != nil && sl.left.owner == unique.Make(owner) {
		sl.left = left{}
		src.tidy(k)
	}
}

// trusted returns the record of an object if it is certain that it is what the
// cluster has, up to a moment.
func (s *store) trusted(src *source, k key) (record, bool) {
	if src == nil {
		return record{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := src.slots[k]
	if src.state != live || sl == nil || !sl.here || sl.record.uid == (uid{}) {
		return record{}, false
	}
	return sl.record, true
}

// refresh takes in an object that was read, or that was found not to exist.
func (s *store) refresh(src *source, k key, obj *unstructured.Unstructured) (record, bool) {
	var rec record
	var used terms
	if obj != nil {
		rec, used = s.reduce(obj)
	}
	var w wakes
	s.mu.Lock()
	sl := src.slots[k]
	switch {
	case obj != nil && sl == nil:
		sl = &slot{}
		src.slots[k] = sl
		fallthrough
	case obj != nil && !rec.version.older(sl.version):
		s.put(src, k, sl, rec, used, true, &w)
	case obj == nil && sl != nil && sl.here:
		s.put(src, k, sl, sl.record, used, false, &w)
	}
	s.mu.Unlock()
	s.call(w)
	return rec, obj != nil
}

// mark returns the tick after which records are confirmed by a list that starts now.
func (s *store) mark() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

// sweep ends a list that started at since: what it did not confirm is not there.
func (s *store) sweep(src *source, since uint64) {
	var w wakes
	s.mu.Lock()
	for k, sl := range src.slots {
		if sl.here && sl.seq <= since && sl.writes == 0 {
			s.put(src, k, sl, sl.record, s.termsLocked(sl.record.owner), false, &w)
		}
	}
	s.mu.Unlock()
	s.call(w)
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
