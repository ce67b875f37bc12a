package bucket

import (
	"sync"
	"weak"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// memory keeps what the attempts of an object have learned.
type memory struct {
	mu     sync.Mutex // guards the maps; what is in them is replaced whole
	owners map[artifacts.Owner]learned
	// shared has what is known of trees by what they stand for, while somebody keeps it.
	shared map[string]weak.Pointer[bucket.Known]
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

// same returns what somebody else knows of the tree that key stands for, or else what is
// given, for others to come: it takes 16 bytes for each object of a bucket.
func (m *memory) same(key string, known *bucket.Known) *bucket.Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	if other := m.shared[key].Value(); other != nil {
		return other
	}
	if m.shared == nil {
		m.shared = make(map[string]weak.Pointer[bucket.Known])
	}
	for k, p := range m.shared {
		if p.Value() == nil {
			delete(m.shared, k)
		}
	}
	m.shared[key] = weak.Make(known)
	return known
}

func (m *memory) forget(owner artifacts.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.owners, owner)
}
