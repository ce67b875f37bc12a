package artifacts

import (
	"context"
	"errors"
	"weak"
)

// making is a tree that somebody makes and others wait for.
type making struct {
	done chan struct{}
	tree *Tree
	err  error
}

// Share returns the tree that key stands for: one that is in memory already, the
// one that somebody is making right now, or else what build returns. Thus what many
// owners have in common is fetched once and kept once, as long as one of them
// holds it.
//
// The key has to name everything that shapes the content, and whoever asks has
// to have shown that it may read it: put a digest of the credentials into the
// key, or ask the origin first.
//
// Whoever waits gets the error of the one it waits for, unless that was merely told
// to stop; it then goes on in its place. The error of ctx is returned if that
// ends first.
func (s *Store) Share(ctx context.Context, key string, build func(context.Context) (*Tree, error)) (*Tree, error) {
	for {
		s.mu.Lock()
		if t := s.shared[key].Value(); t != nil {
			s.mu.Unlock()
			return t, nil
		}
		m, busy := s.making[key]
		if !busy {
			m = &making{done: make(chan struct{})}
			s.making[key] = m
		}
		s.mu.Unlock()
		if !busy {
			s.make(ctx, key, m, build)
			return m.tree, m.err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-m.done:
		}
		if m.err == nil || !errors.Is(m.err, context.Canceled) && !errors.Is(m.err, context.DeadlineExceeded) {
			return m.tree, m.err
		}
	}
}

// errUnfinished is what others see if a maker panics; they go on in its place.
var errUnfinished = errors.Join(errors.New("the tree was not finished"), context.Canceled)

// make makes a tree on behalf of all that wait for it.
func (s *Store) make(ctx context.Context, key string, m *making, build func(context.Context) (*Tree, error)) {
	m.err = errUnfinished
	defer func() {
		s.mu.Lock()
		delete(s.making, key)
		if m.err == nil {
			s.share(key, m.tree)
		}
		s.mu.Unlock()
		close(m.done)
	}()
	m.tree, m.err = build(ctx)
	if m.err == nil {
		m.tree.pack() // before anybody else has it
	}
}

// share remembers a tree for as long as somebody uses it, and lets go of the keys
// of those that nobody does. mu is held.
func (s *Store) share(key string, t *Tree) {
	for k, p := range s.shared {
		if p.Value() == nil {
			delete(s.shared, k)
		}
	}
	s.shared[key] = weak.Make(t)
}
