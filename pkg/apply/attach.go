package apply

import (
	"context"
	"time"
	"unique"
)

// attach makes targets all that is watched for o and the given purpose. It returns
// their sources in the same order. Sources that nobody else watches are let go,
// unless more says that targets are not all of it.
func (s *store) attach(o Owner, why purpose, targets []target, more bool) []*source {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenant(o)
	old := t.sources[why]
	now := make(map[*source]struct{}, len(targets))
	sources := make([]*source, len(targets))
	for i, tg := range targets {
		src := s.source(tg)
		sources[i] = src
		if _, twice := now[src]; twice {
			continue
		}
		now[src] = struct{}{}
		if _, had := old[src]; !had {
			src.refs++
			s.restate(src, o, t.terms != terms{})
		}
	}
	t.sources[why] = now
	for src := range old {
		if _, keep := now[src]; keep {
			continue
		}
		if more {
			now[src] = struct{}{}
		} else {
			s.drop(src, o)
		}
	}
	return sources
}

// all yields every source of the tenant; one with two purposes comes twice.
func (t *tenant) all(yield func(*source) bool) {
	if t == nil {
		return
	}
	for _, sources := range t.sources {
		for src := range sources {
			if !yield(src) {
				return
			}
		}
	}
}

// tenant returns what is known of o, which from now on is something.
func (s *store) tenant(o Owner) *tenant {
	t := s.tenants[o]
	if t == nil {
		t = &tenant{}
		s.tenants[o] = t
	}
	return t
}

// source returns the source of a target and starts it if it does not run.
func (s *store) source(tg target) *source {
	src := s.sources[tg]
	if src == nil {
		src = &source{target: tg, slots: map[key]*slot{}}
		s.sources[tg] = src
		s.start(src)
	} else if src.state == gone {
		s.start(src)
	}
	return src
}

// start runs the watch of src.
func (s *store) start(src *source) {
	src.ready = make(chan struct{})
	if s.noWatch {
		src.state = blind
		close(src.ready)
		return
	}
	src.state = starting
	ctx, cancel := context.WithCancel(s.ctx)
	src.stop = cancel
	w := &watcher{store: s, src: src}
	s.watches.Go(func() { w.run(ctx) })
}

// drop ends one thing that o has to do with src.
func (s *store) drop(src *source, o Owner) {
	src.refs--
	if src.refs > 0 {
		src.release(o)
		return
	}
	delete(s.sources, src.target)
	if src.stop != nil {
		src.stop()
	}
}

// agree sets the terms of o. Records that were made under others become stale.
func (s *store) agree(o Owner, ignore *ignoreRules, rules *Rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenant(o)
	if t.terms.ignore.sum() == ignore.sum() && t.terms.rules == rules {
		return
	}
	t.terms = terms{ignore, rules}
	for src := range t.all {
		s.restate(src, o, true)
	}
}

// restate marks the records of o in src as made under terms that do not hold.
func (s *store) restate(src *source, o Owner, changed bool) {
	if !changed {
		return
	}
	for _, sl := range src.slots {
		if sl.record.owner != (unique.Handle[Owner]{}) && sl.record.owner.Value() == o {
			sl.flags |= stale
		}
	}
}

// forget drops everything about o.
func (s *store) forget(o Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for src := range s.tenants[o].all {
		s.drop(src, o)
	}
	delete(s.tenants, o)
}

// longestList bounds how long a pass waits for first lists. Objects of kinds that
// have not answered by then are read one by one.
const longestList = 15 * time.Second

// await returns once every source has listed, cannot, or ctx ends. It waits for
// answers on the wire only.
func (s *store) await(ctx context.Context, sources []*source) {
	ctx, cancel := context.WithTimeout(ctx, longestList)
	defer cancel()
	for _, src := range sources {
		s.mu.Lock()
		ready := src.ready
		s.mu.Unlock()
		select {
		case <-ready:
		case <-ctx.Done():
			return
		}
	}
}

// find returns the source of a target if there is one.
func (s *store) find(tg target) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sources[tg]
}

// turn sets the state of src, and lets go whoever waits for the first one.
func (s *store) turn(src *source, to state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if src.state == starting && to != starting {
		close(src.ready)
	}
	src.state = to
}

// disarm forgets what o waits for: it runs, and will say again.
func (s *store) disarm(o Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for src := range s.tenants[o].all {
		src.disarm(o)
	}
}

// recall fills in what the records tell an author of steps. An object that it may not
// know of is as one that does not exist: the dry-run says more.
func (s *store) recall(steps []*step, by author) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range steps {
		if st.src == nil {
			continue
		}
		st.known = st.src.state == live || st.src.state == gone
		if sl := st.src.slots[st.key]; sl != nil && sl.tells(by) {
			st.rec, st.here, st.left = sl.record, sl.here, sl.left
		}
	}
}

// expect says whether done already holds for the object k, and otherwise has o
// woken when its health or existence changes, if it is watched.
func (s *store) expect(o Owner, src *source, k key, done func(record, bool) bool) (met, watched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rec record
	here := false
	if sl := src.slots[k]; sl != nil {
		rec, here = sl.record, sl.here
	}
	if done(rec, here) {
		return true, true
	}
	src.arm(o, k)
	return false, src.state == live || src.state == starting
}
