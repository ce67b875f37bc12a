package apply

import (
	"unique"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// event takes in what a watch told. What a list told comes with the tick at which
// the list started; it may go back in time, because a cluster may have been
// restored, but not behind what was confirmed since.
func (s *store) event(src *source, obj *unstructured.Unstructured, gone bool, listed uint64) {
	rec, used := s.reduce(src, obj)
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
	freed := sl.here && here && sl.flags&hands != 0 && rec.flags&hands == 0
	sl.record, sl.here, sl.seq = rec, here, s.seq
	if freed && rec.owner != (unique.Handle[Owner]{}) {
		w.add(rec.owner.Value(), 0) // what was left alone is the owner's again
	}
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

// refresh takes in an object that was read, or that was found not to exist.
func (s *store) refresh(src *source, k key, obj *unstructured.Unstructured) (record, bool) {
	var rec record
	var used terms
	if obj != nil {
		rec, used = s.reduce(src, obj)
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
