package release

import (
	"sync"

	"github.com/fluxd/fluxd/pkg/apply"
)

// memo remembers what owners have read or written themselves.
type memo struct {
	mu   sync.Mutex // guards kept
	kept map[apply.Owner]kept
}

// kept is the last revision that an owner has seen, and by whom.
type kept struct {
	secrets Secrets
}

func newMemo() *memo { return &memo{kept: map[apply.Owner]kept{}} }

func (m *memo) forget(o apply.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, o)
}
