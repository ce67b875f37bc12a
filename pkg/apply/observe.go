package apply

import (
	"unique"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// event takes in what a watch told.
func (s *store) event(src *source, obj *unstructured.Unstructured, gone bool) {
	rec, used := s.reduce(src, obj)
	k := key{unique.Make(obj.GetNamespace()).Value(), obj.GetName()}
	var w wakes
	s.mu.Lock()
	s.observe(src, k, rec, used, !gone, &w)
	if src.position != 0 {
		src.position = rec.version
	}
	s.mu.Unlock()
	s.call(w)
}

// observe puts a record into its slot and finds out whom that concerns. What a list
// tells may go back in time, because a cluster may have been restored, but not behind
// an answer that came since the list began.
func (s *store) observe(src *source, k key, rec record, used terms, here bool, w *wakes) {
	sl := src.slots[k]
	if sl == nil {
		if !here {
			return
		}
		sl = &slot{}
		src.slots[k] = sl
	}
	sl.heard = true
	if sl.here && sl.by != nobodys && src.selects(sl.record) &&
		(rec.version.older(sl.version) || !here && rec.uid != sl.uid) {
		return // the answer to a write of ours was faster than the watch
	}
	sl.by = watches
	s.put(src, k, sl, rec, used, here, w)
}

// answer puts the record of an object that the API server has answered with. That the
// list has told of the object stays true.
func (s *store) answer(src *source, k key, sl *slot, rec record, used terms, w *wakes) {
	if !sl.here || sl.by == nobodys {
		sl.by = answers
	}
	s.put(src, k, sl, rec, used, true, w)
}

// put replaces the record of a slot.
func (s *store) put(src *source, k key, sl *slot, rec record, used terms, here bool, w *wakes) {
	if used != s.termsLocked(rec.owner) {
		rec.flags |= stale
	}
	moved := sl.here != here || sl.health != rec.health || sl.uid != rec.uid ||
		rec.flags&stale != 0 || (rec.flags^sl.flags)&timed != 0
	freed := sl.here && here && sl.flags&hands != 0 && rec.flags&hands == 0
	sl.record, sl.here = rec, here
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

// version returns that of the record of k, 0 if there is none: what is known before k
// is read.
func (s *store) version(src *source, k key) version {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := src.slots[k]; sl != nil {
		return sl.version
	}
	return 0
}

// refresh takes in an object that was read, or that was found not to exist, when the
// record was of the version before. Where no order is known, because what does not
// exist has no version, anything that was told meanwhile counts more, and so does it
// that a live watch has not told of the object.
func (s *store) refresh(src *source, k key, before version, obj *unstructured.Unstructured) record {
	var rec record
	var used terms
	if obj != nil {
		rec, used = s.reduce(src, obj)
	}
	var w wakes
	s.mu.Lock()
	sl := src.slots[k]
	if sl == nil {
		sl = &slot{}
	}
	same := sl.version == before
	switch {
	case obj == nil:
		if sl.here && same {
			s.put(src, k, sl, sl.record, used, false, &w)
		}
	case !src.outdated(sl, rec) && (rec.version.ordered() || same && (sl.here || src.state != live)):
		src.slots[k] = sl
		s.answer(src, k, sl, rec, used, &w)
	}
	s.mu.Unlock()
	s.call(w)
	return rec
}

// relist begins a list, before it is asked for.
func (s *store) relist(src *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	src.position = 0
	for _, sl := range src.slots {
		sl.by = nobodys
	}
}

// sweep ends a list, which is of the version listed. What it did not have is not
// there, or newer.
func (s *store) sweep(src *source, listed version) {
	var w wakes
	s.mu.Lock()
	src.position = listed
	for k, sl := range src.slots {
		if sl.by == watches || src.ahead(sl, listed) {
			continue
		}
		sl.heard = true
		if sl.here {
			s.put(src, k, sl, sl.record, s.termsLocked(sl.record.owner), false, &w)
		}
	}
	s.mu.Unlock()
	s.call(w)
}
