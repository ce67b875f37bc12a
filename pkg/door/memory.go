package door

import (
	"sync"
	"time"
)

// memory keeps values for a while, and a bounded number of them.
type memory[K comparable, V any] struct {
	size int
	ttl  time.Duration
	now  func() time.Time

	mu     sync.Mutex // guards values
	values map[K]remembered[V]
}

type remembered[V any] struct {
	value V
	until time.Time
}

func newMemory[K comparable, V any](size int, ttl time.Duration, now func() time.Time) *memory[K, V] {
	return &memory[K, V]{size: size, ttl: ttl, now: now, values: make(map[K]remembered[V])}
}

func (m *memory[K, V]) get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.values[k]
	if !ok || !m.now().Before(r.until) {
		var none V
		return none, false
	}
	return r.value, true
}

func (m *memory[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.values[k]; !known && len(m.values) >= m.size {
		m.forget()
	}
	m.values[k] = remembered[V]{v, m.now().Add(m.ttl)}
}

// forget makes room: what is over goes, or else the one that will be first. mu is held.
func (m *memory[K, V]) forget() {
	now := m.now()
	var first K
	var until time.Time
	for k, r := range m.values {
		if !now.Before(r.until) {
			delete(m.values, k)
		} else if until.IsZero() || r.until.Before(until) {
			first, until = k, r.until
		}
	}
	if len(m.values) >= m.size {
		delete(m.values, first)
	}
}

// bucket lets a burst pass, and then so many a second.
type bucket struct {
	rate, burst float64
	now         func() time.Time

	mu   sync.Mutex // guards the fields below
	left float64
	at   time.Time
}

func newBucket(rate, burst float64, now func() time.Time) *bucket {
	return &bucket{rate: rate, burst: burst, now: now, left: burst, at: now()}
}

// take says whether one more may pass.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.left = min(b.burst, b.left+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
