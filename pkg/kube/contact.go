package kube

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// contact notices whether requests reach the API server at all. Those who send them try
// again and say nothing, each for itself: informers wait in silence for a server that
// refuses connections.
type contact struct {
	next http.RoundTripper
	now  func() time.Time

	mu    sync.Mutex // guards the fields below
	lost  func(err error)
	found func()
	away  bool      // the last that was told is that requests do not get through
	told  time.Time // when that was told
}

// WrappedRoundTripper returns the transport below.
func (c *contact) WrappedRoundTripper() http.RoundTripper { return c.next }

// RoundTrip implements [http.RoundTripper].
func (c *contact) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(req)
	if err == nil {
		c.reached()
	} else if !errors.Is(req.Context().Err(), context.Canceled) {
		c.failed(err)
	}
	return res, err
}

func (c *contact) reached() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.away {
		return
	}
	c.away = false
	c.found()
}

func (c *contact) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.lost == nil || now.Sub(c.told) < tellEvery {
		return
	}
	c.away, c.told = true, now
	c.lost(err)
}

// Contact has lost called when requests do not reach the API server, once a minute at
// most, and found when they do again. Neither may send a request.
func (c *Clients) Contact(lost func(err error), found func()) {
	if c.contact == nil {
		return // those of another cluster, which is not ours to talk of
	}
	c.contact.mu.Lock()
	defer c.contact.mu.Unlock()
	c.contact.lost, c.contact.found = lost, found
}
