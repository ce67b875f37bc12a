package consumer

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Resyncs say when an owner's objects are to be compared with the API server,
// whatever is remembered of them: a safety net below the live records.
type Resyncs struct {
	every time.Duration

	mu   sync.Mutex // guards next
	next map[apply.Owner]time.Time
}

// NewResyncs returns resyncs at an interval, give or take; zero is never.
func NewResyncs(every time.Duration) *Resyncs {
	return &Resyncs{every: every, next: make(map[apply.Owner]time.Time)}
}

// Due says whether it is time, and if so sets the next one. The first time is
// never due: what is not remembered is compared anyway.
func (r *Resyncs) Due(owner apply.Owner, now time.Time) bool {
	if r.every <= 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.next[owner]
	if known && now.Before(at) {
		return false
	}
	r.next[owner] = now.Add(r.every + time.Duration((rand.Float64()-0.5)*0.2*float64(r.every)))
	return known
}

// Forget drops what is known of an owner.
func (r *Resyncs) Forget(owner apply.Owner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.next, owner)
}
