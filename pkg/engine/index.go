package engine

import "github.com/fluxd/fluxd/pkg/reconcilers"

// index holds who reads whom, in both directions. It is not safe for
// concurrent use.
type index struct {
	reads   map[Key][]reconcilers.Ref
	readers map[reconcilers.Ref]map[Key]struct{}
}

func newIndex() *index {
	return &index{
		reads:   make(map[Key][]reconcilers.Ref),
		readers: make(map[reconcilers.Ref]map[Key]struct{}),
	}
}

// set replaces what key reads.
func (x *index) set(key Key, refs []reconcilers.Ref) {
	x.drop(key)
	if len(refs) == 0 {
		return
	}
	x.reads[key] = refs
	for _, ref := range refs {
		readers := x.readers[ref]
		if readers == nil {
			readers = make(map[Key]struct{}, 1)
			x.readers[ref] = readers
		}
		readers[key] = struct{}{}
	}
}

// drop forgets what key reads.
func (x *index) drop(key Key) {
	for _, ref := range x.reads[key] {
		delete(x.readers[ref], key)
		if len(x.readers[ref]) == 0 {
			delete(x.readers, ref)
		}
	}
	delete(x.reads, key)
}

// dependents returns who reads ref, in no order.
func (x *index) dependents(ref reconcilers.Ref) []Key {
	readers := x.readers[ref]
	if len(readers) == 0 {
		return nil
	}
	keys := make([]Key, 0, len(readers))
	for key := range readers {
		keys = append(keys, key)
	}
	return keys
}
