package apply

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// history is one object in a cluster, and what is on its way from there to a store,
// which arrives in any order, but for the events of the watch.
type history struct {
	*rand.Rand
	store  *store
	src    *source
	wakes  int
	opaque bool

	version int
	live    *unstructured.Unstructured // nil if it does not exist
	changes []happening
	flying  []func() // answers that have been given and not arrived
	busy    bool     // a write is on its way
	// told is the version up to which the watch has told, or its list will have.
	told    int
	listing []func() // what the list still has to tell
}

// happening is a change of the object.
type happening struct {
	version int
	obj     *unstructured.Unstructured
	gone    bool
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{Rand: rand.New(rand.NewPCG(seed, 0)), version: 1, opaque: seed%2 == 1}
	h.store, h.src = bench(t, func(Owner, time.Duration) { h.wakes++ })
	return h
}

func (h *history) key() key { return key{"default", "a"} }

func (h *history) text(version int) string {
	if h.opaque {
		return fmt.Sprint("v", version)
	}
	return fmt.Sprint(version)
}

// set makes the object have a value, or none, unless it has it.
func (h *history) set(value string) {
	if value == "" && h.live == nil || value != "" && h.live != nil && text(h.live, "data", "key") == value {
		return
	}
	h.version++
	obj, gone := h.live, value == ""
	if !gone {
		id := types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", h.version))
		if h.live != nil {
			id = h.live.GetUID()
		}
		obj = applied(h.version, value)
		obj.SetUID(id)
	}
	obj = obj.DeepCopy()
	obj.SetResourceVersion(h.text(h.version))
	if h.live = obj; gone {
		h.live = nil
	}
	h.changes = append(h.changes, happening{h.version, obj, gone})
}

// write begins a write of ours. The API server carries it out now or later.
func (h *history) write() {
	h.busy = true
	h.store.begin(h.src, h.key())
	value := fmt.Sprint("ours", h.IntN(2))
	fails := h.IntN(8) == 0
	h.flying = append(h.flying, func() {
		if !fails {
			h.set(value)
		}
		obj := h.live
		h.flying = append(h.flying, func() {
			h.busy = false
			if fails {
				obj = nil
			}
			h.store.finish(h.src, h.key(), me(), 1, obj)
		})
	})
}

// read reads the object.
func (h *history) read() {
	before := h.store.version(h.src, h.key())
	h.flying = append(h.flying, func() {
		obj := h.live
		h.flying = append(h.flying, func() { h.store.refresh(h.src, h.key(), before, obj) })
	})
}

// list begins a list, which will be that of a later moment. A stream may begin with
// what was before that, and go on from there.
func (h *history) list(streamed bool) {
	h.store.relist(h.src)
	h.listing = []func(){func() {
		if h.live != nil {
			obj := h.live
			h.listing = append(h.listing, func() { h.store.event(h.src, obj, false) })
		}
		h.told = h.version
		if streamed {
			h.listing = append(h.listing, func() {
				for h.follow() {
				}
				h.store.sweep(h.src, parseVersion(h.text(h.told)))
			})
			return
		}
		listed := h.told
		h.listing = append(h.listing, func() { h.store.sweep(h.src, parseVersion(h.text(listed))) })
	}}
}

// follow has the watch tell the next change, if there is one.
func (h *history) follow() bool {
	i := slices.IndexFunc(h.changes, func(c happening) bool { return c.version > h.told })
	if i < 0 {
		return false
	}
	h.told = h.changes[i].version
	h.store.event(h.src, h.changes[i].obj, h.changes[i].gone)
	return true
}

// step has one thing happen, which n chooses: up to 6 something arrives.
func (h *history) step(n int, peaceful bool) {
	switch {
	case n < 4 && len(h.flying) > 0:
		i := h.IntN(len(h.flying))
		f := h.flying[i]
		h.flying = slices.Delete(h.flying, i, i+1)
		f()
	case n < 7 && len(h.listing) > 0:
		f := h.listing[0]
		h.listing = h.listing[1:]
		f()
	case n < 7:
		h.follow()
	case n == 7 && !h.busy:
		h.write()
	case n == 8:
		h.read()
	case n == 9 && h.IntN(3) == 0:
		h.list(h.IntN(2) == 0)
	case n >= 10 && !peaceful:
		h.set([]string{"", "theirs", "ours0"}[h.IntN(3)])
	}
}

// Whatever happens to an object, and in whatever order we hear of it, once everything
// has arrived the record is that of the object, or there is none, and the owner has
// been woken if it has to be, and by nothing that it did itself.
func TestRecordsEndAsTheCluster(t *testing.T) {
	for seed := range uint64(2000) {
		h := newHistory(t, seed)
		peaceful := seed%4 == 0
		h.list(false)
		for range 10 + h.IntN(40) {
			h.step(h.IntN(12), peaceful)
		}
		for len(h.flying) > 0 || len(h.listing) > 0 || h.follow() {
			h.step(h.IntN(7), true) // what is on its way arrives
		}
		sl := h.src.slots[h.key()]
		here := sl != nil && sl.here
		switch {
		case here != (h.live != nil):
			t.Errorf("seed %d: the object is there: %t, and recorded: %t", seed, h.live != nil, here)
		case here && sl.version != parseVersion(h.live.GetResourceVersion()):
			t.Errorf("seed %d: the record is not that of the object", seed)
		case sl != nil && sl.drifted() && h.wakes == 0:
			t.Errorf("seed %d: nobody was woken", seed)
		case peaceful && h.wakes > 0:
			t.Errorf("seed %d: the owner was woken %d times by its own writes", seed, h.wakes)
		}
		if t.Failed() {
			return
		}
	}
}
