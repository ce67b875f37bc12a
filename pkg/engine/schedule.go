package engine

import (
	"container/heap"
	"sync"
	"time"
)

// schedule holds the next due time of every object that has one. Thousands of
// objects wait on one timer.
type schedule struct {
	fire func(Key)

	mu    sync.Mutex // guards the fields below
	heap  dueHeap
	index map[Key]*due
	timer *time.Timer
	over  bool // nothing is due any more
}

type due struct {
	key Key
	at  time.Time
	pos int
}

func newSchedule(fire func(Key)) *schedule {
	return &schedule{fire: fire, index: make(map[Key]*due)}
}

// hasten makes key due at the given time unless it is due earlier.
func (s *schedule) hasten(key Key, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.index[key]
	switch {
	case s.over || ok && !at.Before(d.at):
		return
	case ok:
		d.at = at
		heap.Fix(&s.heap, d.pos)
	default:
		d = &due{key: key, at: at}
		s.index[key] = d
		heap.Push(&s.heap, d)
	}
	s.arm()
}

// drop makes key due at no time.
func (s *schedule) drop(key Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.index[key]; ok {
		delete(s.index, key)
		heap.Remove(&s.heap, d.pos)
	}
}

// at returns when key is due and whether it is.
func (s *schedule) at(key Key) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.index[key]
	if !ok {
		return time.Time{}, false
	}
	return d.at, true
}

// arm sets the timer to the earliest due time. mu is held.
func (s *schedule) arm() {
	if len(s.heap) == 0 {
		return
	}
	wait := time.Until(s.heap[0].at)
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.expire)
		return
	}
	s.timer.Reset(wait)
}

// expire fires what is due.
func (s *schedule) expire() {
	s.mu.Lock()
	now := time.Now()
	var ready []Key
	for len(s.heap) > 0 && !s.heap[0].at.After(now) {
		d := heap.Pop(&s.heap).(*due)
		delete(s.index, d.key)
		ready = append(ready, d.key)
	}
	s.arm()
	s.mu.Unlock()
	for _, key := range ready {
		s.fire(key)
	}
}

// stop ends the timer; nothing fires afterwards.
func (s *schedule) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heap, s.index, s.over = nil, make(map[Key]*due), true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// dueHeap implements [heap.Interface], earliest first.
type dueHeap []*due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

func (h *dueHeap) Push(x any) {
	d := x.(*due)
	d.pos = len(*h)
	*h = append(*h, d)
}

func (h *dueHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}
