package bucket

import (
	"sync"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// memory keeps what the attempts of an object have learned.
type memory struct {
	mu     sync.Mutex // guards the map; what is in it is replaced whole
	owners map[artifacts.Owner]learned
}

// learned is for the next attempt of one object.
type learned struct {
	// tree is what is known of the stored tree, part of the one that an unfinished
	// fetch left. Either may be nil.
	tree, part *bucket.Known
	// place is the bucket whose region is known.
	place, region string
}

func (m *memory) of(owner artifacts.Owner) learned {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owners[owner]
}

// learn changes what is known of an owner.
func (m *memory) learn(owner artifacts.Owner, change func(*learned)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owners == nil {
		m.owners = make(map[artifacts.Owner]learned)
	}
	l := m.owners[owner]
	change(&l)
	m.owners[owner] = l
}

func (m *memory) forget(owner artifacts.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.owners, owner)
}
