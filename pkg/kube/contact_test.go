package kube

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/google/go-cmp/cmp"
)

// closed is an API server that refuses connections.
type closed struct{}

// RoundTrip implements [http.RoundTripper].
func (closed) RoundTrip(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }

// That the API server cannot be reached is told now and then, and that it can be again
// once.
func TestContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		clients := s.clients(t)
		var told []string
		clients.Contact(func(err error) {
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("told of %v", err)
			}
			told = append(told, "lost")
		}, func() { told = append(told, "found") })
		as, err := clients.As("somebody")
		if err != nil {
			t.Fatal(err)
		}
		ask := func(times int) {
			for range times {
				_, _ = as.ServerVersion(t.Context()) // it may not be there
				time.Sleep(10 * time.Second)         // of the bubble
			}
		}
		ask(3)
		clients.contact.next = closed{}
		ask(12)
		clients.contact.next = s
		ask(3)
		for range 10 { // some get through
			clients.contact.next = closed{}
			ask(1)
			clients.contact.next = s
			ask(1)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = clients.ServerVersion(ctx) // somebody has lost interest
		if diff := cmp.Diff([]string{"lost", "lost", "found", "lost", "found", "lost", "found", "lost", "found", "lost", "found"}, told); diff != "" {
			t.Errorf("told (-want +got): %s", diff)
		}
	})
}

// Whoever waits for an API server that was never there ends at once when told to.
func TestCacheEndsWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients := newServer().clients(t)
		clients.http.Transport = closed{}
		cache, err := NewCache(clients, api.Resources(), Scope{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); cache.Start(ctx) }()
		time.Sleep(10 * time.Minute) // of the bubble
		cancel()
		asked := time.Now()
		<-done
		if took := time.Since(asked); took > time.Second {
			t.Errorf("it ended after %s", took)
		}
	})
}
