package transport

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// perHost is how many requests may await an answer of one host at a time.
	perHost = 32
	// longestPause bounds what a host may ask for.
	longestPause = time.Hour
)

// Hosts is what the process knows of the hosts it asks. Use [NewHosts].
type Hosts struct {
	common *http.Transport // of all that need nothing special

	mu    sync.Mutex // guards the map and the fields of every host
	hosts map[string]*host
}

// host is one that somebody asks, or that asked for a pause.
type host struct {
	slots  chan struct{}
	users  int
	closed time.Time // no requests before
}

// NewHosts returns an empty one.
func NewHosts() *Hosts {
	return &Hosts{common: newRoundTripper(Options{}), hosts: make(map[string]*host)}
}

// enter waits for the turn of a request to a host. The caller calls leave once it
// has an answer.
func (h *Hosts) enter(ctx context.Context, name string) (leave func(), err error) {
	h.mu.Lock()
	one, ok := h.hosts[name]
	if !ok {
		one = &host{slots: make(chan struct{}, perHost)}
		h.hosts[name] = one
	}
	if wait := time.Until(one.closed); wait > 0 {
		h.mu.Unlock()
		return nil, &BusyError{Host: name, Until: one.closed}
	}
	one.users++
	h.mu.Unlock()
	select {
	case one.slots <- struct{}{}:
		return func() { <-one.slots; h.release(name, one) }, nil
	case <-ctx.Done():
		h.release(name, one)
		return nil, ctx.Err()
	}
}

// release forgets a host that nobody asks and that may be asked.
func (h *Hosts) release(name string, one *host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one.users--
	h.sweep()
	if one.users == 0 && !time.Now().Before(one.closed) {
		delete(h.hosts, name)
	}
}

// sweep forgets hosts whose pause is over. mu is held.
func (h *Hosts) sweep() {
	for name, one := range h.hosts {
		if one.users == 0 && !one.closed.IsZero() && !time.Now().Before(one.closed) {
			delete(h.hosts, name)
		}
	}
}

// pause keeps a host from being asked for some time.
func (h *Hosts) pause(name string, long time.Duration) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := h.hosts[name] // there is one while a request is under way
	if until := time.Now().Add(min(long, longestPause)); until.After(one.closed) {
		one.closed = until
	}
	return one.closed
}
