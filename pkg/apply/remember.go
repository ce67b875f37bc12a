package apply

import (
	"unique"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// begin announces a write to an object.
func (s *store) begin(src *source, k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := src.slots[k]
	if sl == nil {
		sl = &slot{}
		src.slots[k] = sl
	}
	if sl.writes == 0 {
		sl.heard = false
	}
	sl.writes++
}

// finish takes in the answer to a write: obj is the object as the API server has it
// now, or nil if the write failed, after which nobody knows how the object was left.
func (s *store) finish(src *source, k key, by author, want uint64, obj *unstructured.Unstructured) record {
	var rec record
	var used terms
	if obj != nil {
		rec, used = s.reduce(src, obj)
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
		sl.left = left{by, want, rec.owned}
		switch {
		case src.outdated(sl, rec), sl.here && rec.version == sl.version, sl.heard && !rec.version.ordered():
			s.judge(src, k, sl, &w) // the watch knows as much as the answer, or more
		default:
			s.answer(src, k, sl, rec, used, &w)
		}
	}
	s.mu.Unlock()
	s.call(w)
	return rec
}

// settle remembers that an object is as wanted without having been written: owned
// is its digest when that was found.
func (s *store) settle(src *source, k key, by author, want, owned uint64) {
	var w wakes
	s.mu.Lock()
	if sl := src.slots[k]; sl != nil {
		sl.left = left{by, want, owned}
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
// cluster has, up to a moment, and by may know it.
func (s *store) trusted(src *source, k key, by author) (record, bool) {
	if src == nil {
		return record{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := src.slots[k]
	if src.state != live || sl == nil || !sl.here || sl.record.uid == (uid{}) || !sl.tells(by) {
		return record{}, false
	}
	return sl.record, true
}
