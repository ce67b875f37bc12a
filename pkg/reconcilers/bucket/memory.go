package bucket

import (
	"sync"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

// memory keeps what the last fetch of every object left behind.
type memory struct {
	mu    sync.Mutex // guards known
	known map[artifacts.Owner]*bucket.Known
}

// of returns what is known of an owner, or nil.
func (m *memory) of(owner artifacts.Owner) *bucket.Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[owner]
}

func (m *memory) remember(owner artifacts.Owner, k *bucket.Known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = make(map[artifacts.Owner]*bucket.Known)
	}
	m.known[owner] = k
}

func (m *memory) forget(owner artifacts.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, owner)
}
